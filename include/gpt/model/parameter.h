// A named weight.
#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace gpt {

struct Parameter {
  std::string name;   // as in GPT-2 and nanoGPT: "transformer.h.0.attn.c_attn.weight"
  at::Tensor tensor;  // a leaf that requires grad
};
using ParameterList = std::vector<Parameter>;

}  // namespace gpt
