// Causal self-attention of one head of one sequence on the calling thread (the formula is in
// ops/attention.h). Rows of queries are taken a block at a time, against all keys up to them: the
// scores of a block stay in the second cache, and the native GEMM computes nothing above the
// diagonal.
#pragma once

#include <cstdint>

#include "gpt/kernels/gemm/gemm_backend.h"
#include "gpt/kernels/ops/dropout.h"

namespace gpt {

// X is float, or Bf16 for products of bfloat16; scores and sums are float32 either way.
template <class X>
struct AttentionHead {
  const X *q, *k, *v;     // (tokens, width) each
  std::int64_t stride;    // of q, k, v and their gradients between tokens
  X* y;                   // (tokens, width): what forward writes
  const X* dy;            // backward: y's gradient
  std::int64_t y_stride;  // of y and dy between tokens
  float* lse;             // (tokens): log sum exp of each row of scores, from forward
  std::int64_t lse_stride;
  X *dq, *dk, *dv;  // backward: what it writes
  std::int64_t tokens, width;
  const SequenceDropout* dropout;       // of the weights; null: none
  std::int64_t sequence, first_weight;  // dropout's sequence and the index of weight (0, 0)
  std::int64_t weight_stride = 0;       // of that index between rows; 0: tokens
};

// Floats of working memory that a head needs, which begins on a cache line, on a thread whose
// GEMM is `native`, null for MKL's. A GemmWorkspace for {tokens, most, most} is enough, `most`
// being the larger of tokens and width. Enough for all heads of up to so many tokens where they are
// `parts` of sequences, which attend to nothing beyond them.
template <class X>
std::int64_t attention_workspace(const NativeGemm<X>* native, std::int64_t tokens,
                                 std::int64_t width, bool parts = false);

template <class X>
void attention_forward(const AttentionHead<X>& head, float* workspace);
template <class X>
void attention_backward(const AttentionHead<X>& head, float* workspace);

extern template std::int64_t attention_workspace(const NativeGemm<float>*, std::int64_t,
                                                 std::int64_t, bool);
extern template std::int64_t attention_workspace(const NativeGemm<Bf16>*, std::int64_t,
                                                 std::int64_t, bool);
extern template void attention_forward(const AttentionHead<float>&, float*);
extern template void attention_forward(const AttentionHead<Bf16>&, float*);
extern template void attention_backward(const AttentionHead<float>&, float*);
extern template void attention_backward(const AttentionHead<Bf16>&, float*);

}  // namespace gpt
