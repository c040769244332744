// Our own attention for CUDA (cuda/tiled_attention.cu), with keyed dropout and documents. On other
// devices the plain kernel computes the same.
#pragma once

#include "gpt/kernels/ops/attention.h"

namespace gpt {

// Heads of D in this type.
bool tiled_attention_takes(std::int64_t D, at::ScalarType type);

AttentionOutput tiled_attention_forward(const AttentionInput& in);
AttentionGradient tiled_attention_backward(const AttentionInput& in, const AttentionOutput& out,
                                           const at::Tensor& dy_BHTD);

}  // namespace gpt
