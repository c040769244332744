// The last layer and its loss, over chunks of tokens: logits exist for `chunk` tokens at a time.
// Since nothing follows the loss, its gradient is known in the same pass (Wijmans et al. 2024,
// "Cut Your Losses", and Liger-Kernel's fused linear cross-entropy use the same fact): three
// GEMMs per chunk, no recomputation.
#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

namespace gpt {

struct LmHeadOptions {
  std::int64_t chunk = 0;          // tokens per chunk; 0: all at once
  double scale = 1;                // loss = scale * sum of token losses; 1/(effective tokens)
  double gradient_scale = 1;       // extra factor on gradients only: the fp16 loss scale
  std::int64_t ignore_index = -1;  // targets that count for nothing
  std::optional<at::ScalarType> compute_type = {};  // of the matmuls; empty: x's own
};

struct LmHeadLoss {
  at::Tensor loss;     // scalar, differentiable in x and weight; float32, or float64 for float64 x
  at::Tensor token_N;  // -log p(target) of each token, 0 where ignored; not differentiable
};

// x_NC: activations after the last LayerNorm; weight_VC: float32 or float64 (tied with the token
// embedding); target_N: int64, on x's device. The gradient that reaches x and weight is
// gradient_scale * d loss; the weight's is accumulated over chunks in the weight's own type.
// Without grad mode only the losses are computed. Targets out of range: see cross_entropy.h.
LmHeadLoss lm_head_loss(const at::Tensor& x_NC, const at::Tensor& weight_VC,
                        const at::Tensor& target_N, const LmHeadOptions& options);

// The same without autograd, for engines that have no graph.
struct LmHeadPass {
  at::Tensor x_NC;             // any floating type
  at::Tensor weight_VC;        // of the type of the matmuls; rows from `vocab` on are zero
  at::Tensor target_N;         // int64
  at::Tensor token_N;          // written: see LmHeadLoss
  at::Tensor dx_NC = {};       // written; undefined: no gradients
  at::Tensor dweight_VC = {};  // added to; float32, or float64 with float64 weights. It has the
                               // weight's rows, or those of the vocabulary
  std::int64_t chunk = 0;
  double scale = 1;  // gradients are of scale * sum of token losses
  std::int64_t ignore_index = -1;
  std::int64_t vocab = 0;   // 0: as many as the weight has rows
  std::int64_t stride = 0;  // of the logits' rows, where more than the weight's rows are wanted
};
void lm_head_pass(const LmHeadPass& pass);

// Rows of the weight, and columns of the logits, with which all three matmuls of the head can use
// tensor cores and read 16 bytes at once, which GPT-2's own 50257 words do not allow: the next
// multiple of 64.
std::int64_t padded_vocabulary(std::int64_t vocab_size);

// The chunk that is computed where `chunk` is asked for (0: all tokens): no more than keeps the
// logits below 2^31 elements, beyond which ATen's and the libraries' kernels are little travelled
// and their 32-bit indices overflow. Then in pieces of nearly one size.
std::int64_t limited_head_chunk(std::int64_t chunk, std::int64_t tokens, std::int64_t vocab_size);

// A chunk whose logits take about 64 MiB, but at least 64 tokens.
std::int64_t default_head_chunk(std::int64_t vocab_size);

// How likely given tokens are, over chunks of logits.
struct TokenScores {
  at::Tensor loss_N;       // float64, CPU: -log softmax(logits)[target]
  at::Tensor likeliest_N;  // bool, CPU: no logit is larger than the target's
};

// x_NC: activations after the last LayerNorm; weight_VC: of the type in which matmuls run;
// target_N: int64, in [0, V). Logits exist for `chunk` tokens at a time (0: chosen for V); their
// statistics are float32, or float64 for a float64 x.
TokenScores score_tokens(const at::Tensor& x_NC, const at::Tensor& weight_VC,
                         const at::Tensor& target_N, std::int64_t chunk = 0);

}  // namespace gpt
