#include "gpt/kernels/cpu/attention.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "gpt/base/arena.h"

namespace gpt {

namespace {

// Queries at a time: some 64, so that a block ends where a panel of packed keys does. The last
// block is up to a panel longer where it would otherwise be shorter than one: a part of packed keys
// leaves at least a panel of them (PackedB in gemm.h).
class Blocks {
 public:
  Blocks(std::int64_t tokens, std::int64_t panel)
      : tokens_(tokens),
        panel_(panel),
        size_(std::max<std::int64_t>(1, (64 + panel / 2) / panel) * panel),
        last_(std::max<std::int64_t>(0, tokens - panel) / size_ * size_) {}

  std::int64_t size() const { return size_; }
  std::int64_t last() const { return last_; }  // where it begins
  std::int64_t most_rows() const { return last_ > 0 ? std::max(size_, tokens_ - last_) : tokens_; }
  // The same of any number of tokens up to this one.
  std::int64_t most_rows_of_fewer() const { return std::min(tokens_, size_ + panel_); }

 private:
  std::int64_t tokens_, panel_, size_, last_;
};

// From one row of scores to the next: for float32 an odd number of cache lines, as the rows of a
// column would otherwise fall on the same few lines of a cache.
std::int64_t score_stride(std::int64_t tokens) {
  constexpr std::int64_t kLine = 16;
  const std::int64_t lines = (tokens + kLine - 1) / kLine;
  return (lines % 2 == 0 ? lines + 1 : lines) * kLine;
}

Bf16* bf16_or_null(float*) {
  return nullptr;
}
Bf16* bf16_or_null(Bf16* to) {
  return to;
}

// The working memory, cut up; with none it is only counted.
template <class X>
struct Space {
  const Blocks blocks;
  const std::int64_t stride;  // of scores
  std::int64_t bytes;         // in all
  float *p, *dp;              // (a block's rows, tokens)
  X *p_low, *dp_low;          // the same for products; for float32 the same memory
  float *dq = nullptr, *dk = nullptr, *dv = nullptr;  // sums on their way to bfloat16
  // Keys and values packed: by rows for scores and their gradients, by columns for sums of them,
  // of values in the forward pass and of keys in the backward pass.
  unsigned char *key_rows, *value_rows, *columns;

  Space(const NativeGemm<X>* native, std::int64_t tokens, std::int64_t width, Arena arena,
        bool parts = false)
      : blocks(tokens, native ? native->panel_columns : 1), stride(score_stride(tokens)) {
    const std::int64_t most = parts ? blocks.most_rows_of_fewer() : blocks.most_rows();
    const std::int64_t scores = most * stride, rows = tokens * width;
    p = arena.take<float>(scores);
    dp = arena.take<float>(scores);
    if constexpr (std::is_same_v<X, float>) {
      p_low = p;
      dp_low = dp;
    } else {
      dq = arena.take<float>(most * width);
      dk = arena.take<float>(rows);
      dv = arena.take<float>(rows);
      p_low = arena.take<X>(scores);
      dp_low = arena.take<X>(scores);
    }
    const auto take_packed = [&](std::int64_t N, std::int64_t K) {
      return arena.take<unsigned char>(native ? native->packed_bytes(N, K) : 0);
    };
    key_rows = take_packed(tokens, width);
    value_rows = take_packed(tokens, width);
    columns = take_packed(width, tokens);
    bytes = arena.used();
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
  GemmShape shape(std::int64_t N, std::int64_t K, Triangle triangle) const {
    return {triangle == Triangle::kLowerAT ? end : rows(), N, K, triangle, begin};
  }
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
    row_kernels().rows_to_operand(sum.data, sum.stride, rows, width, {.bf16 = to}, stride);
}

template <class X>
float score_scale(const AttentionHead<X>& head) {
  return 1.0f / std::sqrt(static_cast<float>(head.width));
}

template <class X>
void drop_row(const AttentionHead<X>& head, std::int64_t row, float* weights) {
  const std::int64_t stride = head.weight_stride > 0 ? head.weight_stride : head.tokens;
  (*head.dropout)(weights, head.first_weight + row * stride, row + 1, head.sequence);
}

// Drops of a row of weights, which then goes where products read it.
template <class X>
void finish_row(const AttentionHead<X>& head, Block block, std::int64_t row, float* p, X* low) {
  drop_row(head, row, p);
  if constexpr (!std::is_same_v<X, float>) row_kernels().to_operand(p, block.end, {.bf16 = low});
}

// Keys or values (tokens, width) as matrix B, packed into `to` for all blocks: k is contiguous for
// scores and their gradients, and not for sums of them.
template <class X>
MatrixB<X> matrix_b(const AttentionHead<X>& head, const X* rows, bool k_contiguous,
                    unsigned char* to) {
  const Matrix<const X> matrix = rows_of(rows, head.stride);
  const std::int64_t N = k_contiguous ? head.tokens : head.width;
  const std::int64_t K = k_contiguous ? head.width : head.tokens;
  const NativeGemm<X>* native = native_gemm_here<X>();
  if (!native || !native->is_faster({head.tokens, N, K})) return matrix;
  native->pack_b({rows, head.stride, k_contiguous}, 0, N, N, K, to);
  return {matrix, {to, K}};
}

// What all blocks of a head share.
template <class X>
struct Pass {
  const AttentionHead<X>& head;
  const Space<X> space;
  const MatrixB<X> key_rows;

  Pass(const AttentionHead<X>& of, float* workspace)
      : head(of),
        space(native_gemm_here<X>(), of.tokens, of.width,
              Arena(reinterpret_cast<std::byte*>(workspace))),
        key_rows(matrix_b(of, of.k, true, space.key_rows)) {}

  Matrix<const X> rows(const X* first, Block block) const {
    return rows_of(first + block.begin * head.stride, head.stride);
  }
  void scores(Block block) const {
    gemm_nt(block.shape(block.end, head.width, Triangle::kLowerC), rows(head.q, block), key_rows,
            {space.p, space.stride}, Into::kReplace);
  }
  // The last queries first: they see all keys, so that their sums replace what was there.
  void each_block(const auto& work) const {
    const std::int64_t size = space.blocks.size();
    for (std::int64_t begin = space.blocks.last(), end = head.tokens; begin >= 0;
         end = begin, begin -= size)
      work(Block{begin, end});
  }
};

template <class X>
void forward_block(const Pass<X>& pass, const MatrixB<X>& value_columns, Block block) {
  const AttentionHead<X>& head = pass.head;
  const Space<X>& space = pass.space;
  pass.scores(block);
  for (std::int64_t row = block.begin; row < block.end; ++row) {
    const std::int64_t at = (row - block.begin) * space.stride;
    float* p = space.p + at;
    // What is dropped is not rounded yet.
    Bf16* low = head.dropout ? nullptr : bf16_or_null(space.p_low + at);
    head.lse[row * head.lse_stride] =
        row_kernels().softmax(p, row + 1, block.end, score_scale(head), low);
    if (head.dropout) finish_row(head, block, row, p, space.p_low + at);
  }
  X* y = head.y + block.begin * head.y_stride;
  const MutF32 sum = sum_for(y, head.y_stride, space.dq, head.width);
  gemm_nn(block.shape(head.width, block.end, Triangle::kLowerA),
          rows_of<X>(space.p_low, space.stride), value_columns, sum, Into::kReplace);
  finish_sum(sum, block.rows(), head.width, y, head.y_stride);
}

// From scores and dp = dy v^T: the weights as they were used into p, the scores' gradient into dp.
template <class X>
void backward_rows(const AttentionHead<X>& head, Block block, const Space<X>& space) {
  for (std::int64_t row = block.begin; row < block.end; ++row) {
    const std::int64_t at = (row - block.begin) * space.stride;
    float *p = space.p + at, *dp = space.dp + at;
    if (head.dropout) drop_row(head, row, dp);
    row_kernels().softmax_backward(
        p, dp, row + 1, block.end, score_scale(head), head.lse[row * head.lse_stride],
        head.dropout ? nullptr : bf16_or_null(space.p_low + at), bf16_or_null(space.dp_low + at));
    if (head.dropout) finish_row(head, block, row, p, space.p_low + at);
  }
}

// What the blocks of a backward pass share besides.
template <class X>
struct Backward {
  MatrixB<X> value_rows, key_columns;
  MutF32 dk, dv;
};

template <class X>
void backward_block(const Pass<X>& pass, const Backward<X>& backward, Block block) {
  const AttentionHead<X>& head = pass.head;
  const Space<X>& space = pass.space;
  pass.scores(block);
  const auto dy = rows_of(head.dy + block.begin * head.y_stride, head.y_stride);
  gemm_nt(block.shape(block.end, head.width, Triangle::kLowerC), dy, backward.value_rows,
          {space.dp, space.stride}, Into::kReplace);
  backward_rows(head, block, space);
  const auto p = rows_of<X>(space.p_low, space.stride), ds = rows_of<X>(space.dp_low, space.stride);
  X* to = head.dq + block.begin * head.stride;
  const MutF32 dq = sum_for(to, head.stride, space.dq, head.width);
  gemm_nn(block.shape(head.width, block.end, Triangle::kLowerA), ds, backward.key_columns, dq,
          Into::kReplace);
  finish_sum(dq, block.rows(), head.width, to, head.stride);
  const GemmShape sum = block.shape(head.width, block.rows(), Triangle::kLowerAT);
  const Into into = block.end == head.tokens ? Into::kReplace : Into::kAdd;
  gemm_tn(sum, ds, pass.rows(head.q, block), backward.dk, into);
  gemm_tn(sum, p, dy, backward.dv, into);
}

}  // namespace

template <class X>
std::int64_t attention_workspace(const NativeGemm<X>* native, std::int64_t tokens,
                                 std::int64_t width, bool parts) {
  return Space<X>(native, tokens, width, Arena(nullptr), parts).bytes /
         static_cast<std::int64_t>(sizeof(float));
}

template <class X>
void attention_forward(const AttentionHead<X>& head, float* workspace) {
  const Pass<X> pass(head, workspace);
  const MatrixB<X> value_columns = matrix_b(head, head.v, false, pass.space.columns);
  pass.each_block([&](Block block) { forward_block(pass, value_columns, block); });
}

template <class X>
void attention_backward(const AttentionHead<X>& head, float* workspace) {
  const Pass<X> pass(head, workspace);
  const Space<X>& space = pass.space;
  const Backward<X> backward{matrix_b(head, head.v, true, space.value_rows),
                             matrix_b(head, head.k, false, space.columns),
                             sum_for(head.dk, head.stride, space.dk, head.width),
                             sum_for(head.dv, head.stride, space.dv, head.width)};
  pass.each_block([&](Block block) { backward_block(pass, backward, block); });
  finish_sum(backward.dk, head.tokens, head.width, head.dk, head.stride);
  finish_sum(backward.dv, head.tokens, head.width, head.dv, head.stride);
}

template std::int64_t attention_workspace(const NativeGemm<float>*, std::int64_t, std::int64_t,
                                          bool);
template std::int64_t attention_workspace(const NativeGemm<Bf16>*, std::int64_t, std::int64_t,
                                          bool);
template void attention_forward(const AttentionHead<float>&, float*);
template void attention_forward(const AttentionHead<Bf16>&, float*);
template void attention_backward(const AttentionHead<float>&, float*);
template void attention_backward(const AttentionHead<Bf16>&, float*);

}  // namespace gpt
