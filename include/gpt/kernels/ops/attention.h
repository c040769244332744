// Causal self-attention (Vaswani et al. 2017, eq. 1): softmax(q k^T / sqrt(D) + causal mask) v.
// Shapes: q, k, v and the result are (B, H, T, D).
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/kernels/device_choices.h"
#include "gpt/kernels/ops/dropout.h"

namespace gpt {

// Where the document of each token begins, (B, T) int64: after the last `end_token` before it. An
// end token belongs to the document that it ends.
at::Tensor document_starts(const at::Tensor& x_BT, std::int64_t end_token);

// What is added to scores so that attention stays within documents, (B, 1, T, T): 0 for a token and
// those before it down to where its document begins, minus infinity for all others.
at::Tensor document_mask(const at::Tensor& x_BT, std::int64_t end_token, at::ScalarType type);

// For autograd, by the fused kernels of ATen; nothing of size T x T is kept. `mask`: a document
// mask of q's type.
at::Tensor causal_attention(const at::Tensor& q_BHTD, const at::Tensor& k_BHTD,
                            const at::Tensor& v_BHTD, const at::Tensor& mask_B1TT = {});

// Written out, with the (B, H, T, T) weights in memory and keyed dropout on them: the oracle for
// all kernels.
at::Tensor plain_causal_attention(const at::Tensor& q_BHTD, const at::Tensor& k_BHTD,
                                  const at::Tensor& v_BHTD, double dropout = 0,
                                  const at::Tensor& sequence_B = {}, const DropoutPlace& place = {},
                                  const at::Tensor& mask_B1TT = {});

// The same without autograd: forward keeps what backward needs. The kernels are ATen's, but for the
// tiled one, which is ours, as no other takes our mask of dropout.

struct AttentionInput {
  at::Tensor q_BHTD, k_BHTD, v_BHTD;  // last stride 1
  // Plain and tiled kernel only: dropout of the weights, and documents.
  double p = 0;
  at::Tensor sequence_B = {};
  DropoutPlace place = {};
  at::Tensor start_BT = {};  // document_starts(), or undefined
};

struct AttentionOutput {
  at::Tensor y_BHTD;
  std::vector<at::Tensor> saved;  // logsumexp first, if any
  std::int64_t longest = 0;
};

struct AttentionGradient {
  at::Tensor dq_BHTD, dk_BHTD, dv_BHTD;
};

AttentionOutput attention_forward(AttentionKernel kernel, const AttentionInput& in);
AttentionGradient attention_backward(AttentionKernel kernel, const AttentionInput& in,
                                     const AttentionOutput& out, const at::Tensor& dy_BHTD);

// (B*T, 3 H D): those of q, k and v of a token side by side, as the layer that made them has its
// output; and dbias (undefined: none) += the sums over the tokens. One pass over them, and no copy
// where the kernel laid them side by side itself.
at::Tensor join_attention_gradient(const AttentionGradient& gradient, const at::Tensor& dbias_K);
at::Tensor plain_join_attention_gradient(const AttentionGradient& gradient,
                                         const at::Tensor& dbias_K);

// Sequences whose weights the plain kernel has in memory at once, at least one: what is read again
// soon after it was written is then found in a GPU's second-level cache, and memory does not grow
// with the batch.
std::int64_t plain_attention_group(std::int64_t heads, std::int64_t tokens,
                                   std::int64_t type_bytes);

struct AttentionShape {
  std::int64_t B, H, T, D;
  at::ScalarType type;
  at::Device device;
};

// Kernels that a GPU of this compute capability (86: 8.6) may run for heads of D, without dropout;
// none: the plain one is left. With `deterministic` the one that gives the same bits every time, on
// cards that have it. cuDNN's only where PyTorch itself prefers it, which is where it is tested
// most: cards of 9.0 and 10.0. The plan and the engine both ask here.
std::vector<AttentionKernel> attention_candidates(std::int64_t T, std::int64_t D,
                                                  at::ScalarType type, bool deterministic,
                                                  int capability);

// The same with dropout or within documents: the tiled one, or none.
std::vector<AttentionKernel> masked_attention_candidates(std::int64_t D, at::ScalarType type,
                                                         int capability);

// May `kernel` run for a shape on CUDA, as far as shape and type tell? A probe tries it on the card
// that is there, and may choose cuDNN's where PyTorch would not.
bool attention_fits(AttentionKernel kernel, const AttentionShape& shape, bool deterministic);

// The kernel for a shape. On CUDA the first of device_choices() that fits it; where there are none,
// the candidates are timed once, forward and backward, and the choice is kept for the process; one
// that throws is none. `masked`: with dropout or within documents, where the tiled or the plain one
// runs. `deterministic`: the one that gives the same bits every time, so that no timing decides.
AttentionKernel choose_attention(const AttentionShape& shape, bool masked, bool deterministic);

}  // namespace gpt
