// Names in other programs' files.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>

#include "gpt/base/strings.h"
#include "gpt/model/parameter_table.h"

namespace gpt {

// The causal mask: a buffer of the attention where PyTorch had no fused one.
inline bool is_mask(const std::string& name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
}

// A weight that Hugging Face keeps as Conv1D, transposed.
inline bool is_conv1d(const std::string& name) {
  return std::any_of(std::begin(kBlockParameters), std::end(kBlockParameters),
                     [&](const BlockParameter& parameter) {
                       return is_gemm_weight(parameter.role) &&
                              name.ends_with(concat(".", parameter.name));
                     });
}

}  // namespace gpt
