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

inline std::vector<at::Tensor> tensors_of(const ParameterList& parameters) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(parameters.size());
  for (const Parameter& parameter : parameters) tensors.push_back(parameter.tensor);
  return tensors;
}

}  // namespace gpt
