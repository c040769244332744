// Where and in which type a model computes.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace gpt {

struct Compute {
  c10::Device device;
  c10::ScalarType type;  // of products and attention; weights and gradients stay float32
};

}  // namespace gpt
