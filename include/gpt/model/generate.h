// Text from a model, one token after the other, as nanoGPT's GPT.generate draws it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include "gpt/model/gpt.h"

namespace gpt {

struct GenerateOptions {
  std::int64_t max_new_tokens = 500;
  double temperature = 1;
  std::int64_t top_k = 0;       // 0: all tokens
  std::int64_t vocabulary = 0;  // tokens that have a text, where the model's is padded; 0: all
};

// Continues `prompt` (at least one token; the last block_size of them are seen) and hands each new
// token to `take` as soon as it is drawn; a false from it ends the text. Given nanoGPT's generator
// state, the draws are nanoGPT's.
void generate(const Gpt& model, std::vector<std::int64_t> prompt, const GenerateOptions& options,
              const c10::Device& device, at::Generator generator,
              const std::function<bool(std::int64_t)>& take);

}  // namespace gpt
