// The next token from the model's logits.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace gpt {

struct DrawOptions {
  double temperature = 1;         // 0: the likeliest token
  std::int64_t top_k = 0;         // the k likeliest tokens only; 0: all
  double top_p = 1;               // of these, the likeliest whose probabilities add up to p
  double repetition_penalty = 1;  // see penalized
  std::int64_t vocabulary = 0;    // tokens that have a text, where the model's is padded; 0: all

  // Nothing is drawn: it is the likeliest token, the first of several.
  bool greedy() const { return temperature == 0 || top_k == 1 || top_p == 0; }
};

// The logits with those of `tokens`, which the text already has, made smaller: divided by
// repetition_penalty where they are positive, else multiplied by it (Keskar et al. 2019, and
// transformers).
at::Tensor penalized(const at::Tensor& logits_V, const std::vector<std::int64_t>& tokens,
                     double repetition_penalty);

// logits_V: float32 on the CPU. In nanoGPT's order: temperature, top_k, softmax, and one draw by
// torch.multinomial, so that with top_p = 1 and nanoGPT's generator state the token is nanoGPT's.
// Ties at the k-th place stay in, as there. top_p is applied after top_k to the renormalised
// probabilities (Holtzman et al. 2020, "nucleus sampling"); the likeliest token always stays.
std::int64_t draw_token(const at::Tensor& logits_V, const DrawOptions& options,
                        at::Generator& generator);

// The probabilities it draws from: (V), zero for tokens that cannot come.
at::Tensor draw_probabilities(const at::Tensor& logits_V, const DrawOptions& options);

// Moves a CPU generator past `draws` calls of draw_token over logits of `vocab_size`, without
// their cost: nanoGPT draws its samples one after the other from one generator, and this is where
// a later one starts.
void skip_draws(at::Generator& generator, std::int64_t vocab_size, std::int64_t draws);

}  // namespace gpt
