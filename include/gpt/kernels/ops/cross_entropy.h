// Softmax cross-entropy over a chunk of logits, in place.
#pragma once

#include <ATen/core/Tensor.h>

namespace gpt {

// logits_NV: contiguous float32, float64, bfloat16 or float16, overwritten. With gradient: by
//   scale * (softmax(logits) - onehot(target)), zero in rows whose target is ignore_index.
//   Without: by nothing of use.
// target_N: int64. On the CPU a target outside [0, V) that is not ignore_index throws
//   c10::IndexError; on CUDA, where asking would stall, its row's loss becomes NaN.
// loss_N: float32 (float64 for float64 logits), receives -log softmax(logits)[target], 0 where
//   ignored. Statistics are float32 (float64 for float64 logits) whatever the logits are.
// vocab: columns from here on are padding, which is not read and whose gradient is zero; 0: none.
struct CrossEntropyArgs {
  at::Tensor logits_NV;
  at::Tensor target_N;
  at::Tensor loss_N;
  double scale = 1;
  std::int64_t ignore_index = -1;
  bool gradient = true;
  std::int64_t vocab = 0;
};

// The kernel of the device: the plain one on the CPU, one pass over each row on CUDA.
void cross_entropy_(const CrossEntropyArgs& args);

// The same in plain ATen operators; the reference, and the CPU's kernel.
void plain_cross_entropy_(const CrossEntropyArgs& args);

}  // namespace gpt
