// Where and in which type a model computes.
#pragma once

#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace gpt {

struct Compute {
  c10::Device device;
  c10::ScalarType type;  // of matmuls and attention; weights and gradients stay float32
};

// The type that `dtype` names: "float32", "bfloat16" or "float16".
c10::ScalarType scalar_type(const std::string& dtype);

}  // namespace gpt
