#include "gpt/kernels/cpu_attention.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

namespace gpt {

namespace {

constexpr std::int64_t kBlock = 64;  // queries at a time
constexpr std::int64_t kAlign = 16;  // floats in a cache line

std::int64_t rounded(std::int64_t size) {
  return (size + kAlign - 1) / kAlign * kAlign;
}

Bf16* bf16_or_null(float*) {
  return nullptr;
}
Bf16* bf16_or_null(Bf16* to) {
  return to;
}

// The working memory, cut up.
template <class X>
struct Space {
  float *p, *dp;        // (kBlock, tokens)
  X *p_low, *dp_low;    // the same for products; for float32 the same memory
  float *dq, *dk, *dv;  // sums on their way to bfloat16

  Space(const AttentionHead<X>& head, float* from) {
    const auto take = [&](std::int64_t size) { return std::exchange(from, from + rounded(size)); };
    const std::int64_t scores = kBlock * head.tokens, rows = head.tokens * head.width;
    p = take(scores);
    dp = take(scores);
    dq = take(kBlock * head.width);
    dk = take(rows);
    dv = take(rows);
    if constexpr (std::is_same_v<X, float>) {
      p_low = p;
      dp_low = dp;
    } else {
      p_low = reinterpret_cast<X*>(take(scores));
      dp_low = reinterpret_cast<X*>(take(scores));
    }
  }
};

template <class X>
Matrix<const X> rows_of(const X* first, std::int64_t stride) {
  return {first, stride};
}

// Rows [begin, end) of queries against keys [0, end).
struct Block {
  std::int64_t begin, end;
  std::int64_t rows() const { return end - begin; }
};

// Where products add up what goes to `to`: there if it is float32.
MutF32 sum_for(float* to, std::int64_t stride, float*, std::int64_t) {
  return {to, stride};
}
MutF32 sum_for(Bf16*, std::int64_t, float* sum, std::int64_t stride) {
  return {sum, stride};
}

template <class X>
void finish_sum(MutF32 sum, std::int64_t rows, std::int64_t width, X* to, std::int64_t stride) {
  if constexpr (!std::is_same_v<X, float>)
    vector_kernels().rows_to_operand(sum.data, sum.stride, rows, width, {.bf16 = to}, stride);
}

template <class X>
float score_scale(const AttentionHead<X>& head) {
  return 1.0f / std::sqrt(static_cast<float>(head.width));
}

template <class X>
void drop_row(const AttentionHead<X>& head, std::int64_t row, float* weights) {
  (*head.dropout)(weights, head.first_weight + row * head.tokens, row + 1, head.sequence);
}

// Drops of a row of weights, which then goes where products read it.
template <class X>
void finish_row(const AttentionHead<X>& head, Block block, std::int64_t row, float* p, X* low) {
  drop_row(head, row, p);
  if constexpr (!std::is_same_v<X, float>) vector_kernels().to_operand(p, block.end, {.bf16 = low});
}

template <class X>
void scores(const AttentionHead<X>& head, Block block, float* s) {
  product_nt({block.rows(), block.end, head.width},
             rows_of(head.q + block.begin * head.stride, head.stride), rows_of(head.k, head.stride),
             {s, block.end}, Into::kReplace);
}

template <class X>
void forward_block(const AttentionHead<X>& head, Block block, const Space<X>& space) {
  scores(head, block, space.p);
  for (std::int64_t row = block.begin; row < block.end; ++row) {
    const std::int64_t at = (row - block.begin) * block.end;
    float* p = space.p + at;
    // What is dropped is not rounded yet.
    Bf16* low = head.dropout ? nullptr : bf16_or_null(space.p_low + at);
    head.lse[row * head.lse_stride] =
        vector_kernels().softmax(p, row + 1, block.end, score_scale(head), low);
    if (head.dropout) finish_row(head, block, row, p, space.p_low + at);
  }
  X* y = head.y + block.begin * head.y_stride;
  const MutF32 sum = sum_for(y, head.y_stride, space.dq, head.width);
  product_nn({block.rows(), head.width, block.end}, rows_of<X>(space.p_low, block.end),
             rows_of(head.v, head.stride), sum, Into::kReplace);
  finish_sum(sum, block.rows(), head.width, y, head.y_stride);
}

// From scores and dp = dy v^T: the weights as they were used into p, the scores' gradient into dp.
template <class X>
void backward_rows(const AttentionHead<X>& head, Block block, const Space<X>& space) {
  for (std::int64_t row = block.begin; row < block.end; ++row) {
    const std::int64_t at = (row - block.begin) * block.end;
    float *p = space.p + at, *dp = space.dp + at;
    if (head.dropout) drop_row(head, row, dp);
    vector_kernels().softmax_backward(
        p, dp, row + 1, block.end, score_scale(head), head.lse[row * head.lse_stride],
        head.dropout ? nullptr : bf16_or_null(space.p_low + at), bf16_or_null(space.dp_low + at));
    if (head.dropout) finish_row(head, block, row, p, space.p_low + at);
  }
}

template <class X>
void backward_block(const AttentionHead<X>& head, Block block, const Space<X>& space, MutF32 dk,
                    MutF32 dv) {
  scores(head, block, space.p);
  const auto dy = rows_of(head.dy + block.begin * head.y_stride, head.y_stride);
  product_nt({block.rows(), block.end, head.width}, dy, rows_of(head.v, head.stride),
             {space.dp, block.end}, Into::kReplace);
  backward_rows(head, block, space);
  const auto p = rows_of<X>(space.p_low, block.end), ds = rows_of<X>(space.dp_low, block.end);
  X* to = head.dq + block.begin * head.stride;
  const MutF32 dq = sum_for(to, head.stride, space.dq, head.width);
  product_nn({block.rows(), head.width, block.end}, ds, rows_of(head.k, head.stride), dq,
             Into::kReplace);
  finish_sum(dq, block.rows(), head.width, to, head.stride);
  const Extent sum{block.end, head.width, block.rows()};
  const Into into = block.end == head.tokens ? Into::kReplace : Into::kAdd;
  product_tn(sum, ds, rows_of(head.q + block.begin * head.stride, head.stride), dk, into);
  product_tn(sum, p, dy, dv, into);
}

// The last queries first: they see all keys, so that their sums replace what was there.
template <class X>
void each_block(const AttentionHead<X>& head, const auto& work) {
  for (std::int64_t begin = (head.tokens - 1) / kBlock * kBlock; begin >= 0; begin -= kBlock)
    work(Block{begin, std::min(begin + kBlock, head.tokens)});
}

}  // namespace

std::int64_t attention_workspace(std::int64_t tokens, std::int64_t width) {
  return 4 * rounded(kBlock * tokens) + rounded(kBlock * width) + 2 * rounded(tokens * width);
}

template <class X>
void attention_forward(const AttentionHead<X>& head, float* workspace) {
  const Space<X> space(head, workspace);
  each_block(head, [&](Block block) { forward_block(head, block, space); });
}

template <class X>
void attention_backward(const AttentionHead<X>& head, float* workspace) {
  const Space<X> space(head, workspace);
  const MutF32 dk = sum_for(head.dk, head.stride, space.dk, head.width);
  const MutF32 dv = sum_for(head.dv, head.stride, space.dv, head.width);
  each_block(head, [&](Block block) { backward_block(head, block, space, dk, dv); });
  finish_sum(dk, head.tokens, head.width, head.dk, head.stride);
  finish_sum(dv, head.tokens, head.width, head.dv, head.stride);
}

template void attention_forward(const AttentionHead<float>&, float*);
template void attention_forward(const AttentionHead<Bf16>&, float*);
template void attention_backward(const AttentionHead<float>&, float*);
template void attention_backward(const AttentionHead<Bf16>&, float*);

}  // namespace gpt
