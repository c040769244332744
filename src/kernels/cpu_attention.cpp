#include "gpt/kernels/cpu_attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace gpt {

namespace {

constexpr std::int64_t kBlock = 64;  // queries at a time
constexpr std::int64_t kAlign = 16;  // floats in a cache line

std::int64_t rounded(std::int64_t size) {
  return (size + kAlign - 1) / kAlign * kAlign;
}

Operand operand(float* to) {
  return {.f32 = to};
}
Operand operand(Bf16* to) {
  return {.bf16 = to};
}

// The working memory, cut up.
template <class X>
struct Space {
  float *p, *dp;      // (kBlock, tokens)
  X *p_low, *dp_low;  // the same for products; for float32 the same memory
  float *dq, *dk, *dv;

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

template <class X>
void store_rows(const float* from, std::int64_t from_stride, std::int64_t rows, std::int64_t width,
                X* to, std::int64_t to_stride) {
  for (std::int64_t row = 0; row < rows; ++row)
    vector_kernels().to_operand(from + row * from_stride, width, operand(to + row * to_stride));
}

template <class X>
float score_scale(const AttentionHead<X>& head) {
  return 1.0f / std::sqrt(static_cast<float>(head.width));
}

template <class X>
void drop_row(const AttentionHead<X>& head, std::int64_t row, float* weights) {
  (*head.dropout)(weights, head.first_weight + row * head.tokens, row + 1, head.sequence);
}

template <class X>
void scores(const AttentionHead<X>& head, Block block, float* s) {
  product_nt({block.rows(), block.end, head.width},
             rows_of(head.q + block.begin * head.stride, head.stride), rows_of(head.k, head.stride),
             {s, block.end}, Into::kReplace);
}

template <class X>
void forward_block(const AttentionHead<X>& head, Block block, const Space<X>& space) {
  const VectorKernels& vector = vector_kernels();
  scores(head, block, space.p);
  for (std::int64_t row = block.begin; row < block.end; ++row) {
    float* p = space.p + (row - block.begin) * block.end;
    head.lse[row * head.lse_stride] = vector.softmax(p, row + 1, score_scale(head));
    std::fill(p + row + 1, p + block.end, 0.0f);
    if (head.dropout) drop_row(head, row, p);
  }
  if constexpr (!std::is_same_v<X, float>)
    vector.to_operand(space.p, block.rows() * block.end, operand(space.p_low));
  const Extent size{block.rows(), head.width, block.end};
  const auto weights = rows_of<X>(space.p_low, block.end);
  X* y = head.y + block.begin * head.y_stride;
  if constexpr (std::is_same_v<X, float>) {
    product_nn(size, weights, rows_of(head.v, head.stride), {y, head.y_stride}, Into::kReplace);
  } else {
    product_nn(size, weights, rows_of(head.v, head.stride), {space.dq, head.width}, Into::kReplace);
    store_rows(space.dq, head.width, block.rows(), head.width, y, head.y_stride);
  }
}

// From scores and dp = dy v^T: the weights as they were used into p, the scores' gradient into dp.
template <class X>
void backward_rows(const AttentionHead<X>& head, Block block, const Space<X>& space) {
  const VectorKernels& vector = vector_kernels();
  const float scale = score_scale(head);
  for (std::int64_t row = block.begin; row < block.end; ++row) {
    float* p = space.p + (row - block.begin) * block.end;
    float* dp = space.dp + (row - block.begin) * block.end;
    const std::int64_t size = row + 1;
    vector.softmax_again(p, size, scale, head.lse[row * head.lse_stride]);
    if (head.dropout) drop_row(head, row, dp);
    vector.softmax_backward(dp, p, size, scale, vector.dot(p, dp, size));
    if (head.dropout) drop_row(head, row, p);
    std::fill(p + size, p + block.end, 0.0f);
    std::fill(dp + size, dp + block.end, 0.0f);
  }
  if constexpr (!std::is_same_v<X, float>) {
    vector.to_operand(space.p, block.rows() * block.end, operand(space.p_low));
    vector.to_operand(space.dp, block.rows() * block.end, operand(space.dp_low));
  }
}

template <class X>
void backward_block(const AttentionHead<X>& head, Block block, const Space<X>& space) {
  scores(head, block, space.p);
  const auto dy = rows_of(head.dy + block.begin * head.y_stride, head.y_stride);
  product_nt({block.rows(), block.end, head.width}, dy, rows_of(head.v, head.stride),
             {space.dp, block.end}, Into::kReplace);
  backward_rows(head, block, space);
  const auto p = rows_of<X>(space.p_low, block.end), ds = rows_of<X>(space.dp_low, block.end);
  product_nn({block.rows(), head.width, block.end}, ds, rows_of(head.k, head.stride),
             {space.dq, head.width}, Into::kReplace);
  store_rows(space.dq, head.width, block.rows(), head.width, head.dq + block.begin * head.stride,
             head.stride);
  const Extent sum{block.end, head.width, block.rows()};
  product_tn(sum, ds, rows_of(head.q + block.begin * head.stride, head.stride),
             {space.dk, head.width}, Into::kAdd);
  product_tn(sum, p, dy, {space.dv, head.width}, Into::kAdd);
}

template <class X>
void each_block(const AttentionHead<X>& head, const auto& work) {
  for (std::int64_t begin = 0; begin < head.tokens; begin += kBlock)
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
  const std::int64_t rows = head.tokens, width = head.width;
  std::memset(space.dk, 0, static_cast<std::size_t>(rows * width) * sizeof(float));
  std::memset(space.dv, 0, static_cast<std::size_t>(rows * width) * sizeof(float));
  each_block(head, [&](Block block) { backward_block(head, block, space); });
  store_rows(space.dk, width, rows, width, head.dk, head.stride);
  store_rows(space.dv, width, rows, width, head.dv, head.stride);
}

template void attention_forward(const AttentionHead<float>&, float*);
template void attention_forward(const AttentionHead<Bf16>&, float*);
template void attention_backward(const AttentionHead<float>&, float*);
template void attention_backward(const AttentionHead<Bf16>&, float*);

}  // namespace gpt
