// Causal self-attention (Vaswani et al. 2017, eq. 1): softmax(q k^T / sqrt(D) + causal mask) v.
// Shapes: q, k, v and the result are (B, H, T, D).
#pragma once

#include <ATen/core/Tensor.h>

#include "gpt/kernels/ops/dropout.h"

namespace gpt {

// The fused kernels of ATen; nothing of size T x T is kept.
at::Tensor causal_attention(const at::Tensor& q_BHTD, const at::Tensor& k_BHTD,
                            const at::Tensor& v_BHTD);

// Written out, with the (B, H, T, T) weights in memory and keyed dropout on them: the oracle for
// the fused kernels, and what runs while dropout is on, since no fused kernel takes our mask.
at::Tensor plain_causal_attention(const at::Tensor& q_BHTD, const at::Tensor& k_BHTD,
                                  const at::Tensor& v_BHTD, double dropout = 0,
                                  const at::Tensor& sequence_B = {},
                                  const DropoutPlace& place = {});

}  // namespace gpt
