// The sum of token and position embedding, and its gradient; float32 or float64.
#pragma once

#include <ATen/core/Tensor.h>

#include "gpt/kernels/ops/dropout.h"

namespace gpt {

// tokens (B, T), int64, each below V, which is not checked on CUDA. Returns (B*T, C).
at::Tensor embed(const at::Tensor& tokens_BT, const at::Tensor& wte_VC, const at::Tensor& wpe_TC,
                 const RowDropout& dropout);
at::Tensor plain_embed(const at::Tensor& tokens_BT, const at::Tensor& wte_VC,
                       const at::Tensor& wpe_TC, const RowDropout& dropout);

// Adds the gradient dx (B*T, C), which is used as scratch, to the embeddings' gradients. On CUDA
// the tokens are sorted and each token's rows summed in their order: no atomics, the same bits
// every time.
void embed_backward_(const at::Tensor& tokens_BT, const at::Tensor& dx_NC,
                     const at::Tensor& dwte_VC, const at::Tensor& dwpe_TC);
void plain_embed_backward_(const at::Tensor& tokens_BT, const at::Tensor& dx_NC,
                           const at::Tensor& dwte_VC, const at::Tensor& dwpe_TC);

}  // namespace gpt
