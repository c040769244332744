// From scores to weights and back, of attention that is written out: scale, causal mask, softmax
// and dropout in one pass.
#pragma once

#include <ATen/core/Tensor.h>

#include "gpt/kernels/ops/dropout.h"

namespace gpt {

// Contiguous (B, H, T, T), of one floating type; statistics are float32, or float64 with float64.
struct CausalSoftmax {
  at::Tensor scores_BHTT;         // q k^T, overwritten by dropout(softmax(scale * scores + mask))
  at::Tensor gradient_BHTT = {};  // of that, overwritten by that of the scores; or undefined
  double scale = 1;
  RowDropout dropout = {};  // `tokens` is not read
  // int64: the first column that a token's row sees, and that it has at most its own; or undefined.
  at::Tensor start_BT = {};
};

// The kernel of the device: the plain one on the CPU.
void causal_softmax_(const CausalSoftmax& args);
void plain_causal_softmax_(const CausalSoftmax& args);

}  // namespace gpt
