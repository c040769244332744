// Names in other programs' files that are no parameters of GPT-2.
#pragma once

#include <string>

namespace gpt {

inline constexpr const char* kHead = "lm_head.weight";  // tied to transformer.wte.weight

// The causal mask: a buffer of the attention where PyTorch had no fused one.
inline bool is_mask(const std::string& name) {
  return name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias");
}

}  // namespace gpt
