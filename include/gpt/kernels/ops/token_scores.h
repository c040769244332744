// How likely given tokens are under the last layer, over chunks of logits.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace gpt {

struct TokenScores {
  at::Tensor loss_N;       // float64, CPU: -log softmax(logits)[target]
  at::Tensor likeliest_N;  // bool, CPU: no logit is larger than the target's
};

// x_NC: activations after the last LayerNorm; weight_VC: of the type in which products run;
// target_N: int64, in [0, V). Logits exist for `chunk` tokens at a time (0: chosen for V); their
// statistics are float32, or float64 for a float64 x.
TokenScores score_tokens(const at::Tensor& x_NC, const at::Tensor& weight_VC,
                         const at::Tensor& target_N, std::int64_t chunk = 0);

}  // namespace gpt
