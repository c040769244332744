// The innermost kernel of packed_gemm.h by multiply-adds of vectors: a tile of the result stays
// in registers while words of a, each broadcast, meet vectors of words of b (simd_panels.h).
// Included after the lanes_*.h of the instruction set.
#pragma once

#include "packed_gemm.h"
#include "simd_panels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

template <class Words>
struct WordKernel : WordPanels<Words> {
  using Panels = WordPanels<Words>;
  using Panels::kDepth;
  using Panels::kRows;
  using Panels::padded_width;
  using typename Panels::Left;
  using typename Panels::Order;

  template <class End>
  static inline void put(float* to, Floats sum, bool add, End end) {
    store(to, add ? load(to, end) + sum : sum, end);
  }

  // along: a.order is kAlong.
  template <int rows, int vectors, bool along>
  static void multiply_tile(Left a, const float* b, int64_t words, float* c, int64_t stride,
                            int64_t columns, bool add) {
    const int64_t row_step = along ? a.stride : 1, inner_step = along ? 1 : a.inner_step();
    // Lines of the result come from far away while the sums are built.
    for (int row = 0; row < rows; ++row)
      for (int64_t at = 0; at < vectors * kLanes; at += 16)
        __builtin_prefetch(c + row * stride + at, 1);
    Floats sum[rows][vectors] = {};
    for (int64_t k = 0; k < words; ++k) {
      Floats right[vectors];
      for (int v = 0; v < vectors; ++v) right[v] = load(b + v * kLanes, All{});
      for (int row = 0; row < rows; ++row)
        for (int v = 0; v < vectors; ++v)
          sum[row][v] = Words::multiply_add(a.data[row * row_step], right[v], sum[row][v]);
      a.data += inner_step;
      b += vectors * kLanes;
    }
    constexpr int kLast = (vectors - 1) * static_cast<int>(kLanes);
    const First end(columns - kLast);
    for (int row = 0; row < rows; ++row) {
      float* to = c + row * stride;
      for (int v = 0; v < vectors - 1; ++v) put(to + v * kLanes, sum[row][v], add, All{});
      if (columns == vectors * kLanes)
        put(to + kLast, sum[row][vectors - 1], add, All{});
      else
        put(to + kLast, sum[row][vectors - 1], add, end);
    }
  }

  template <int rows, bool along>
  static void multiply_rows(const Left& a, const float* b, int64_t words, float* c, int64_t stride,
                            int64_t rows_there, int64_t columns, bool add) {
    if constexpr (rows > 1)
      if (rows_there < rows)
        return multiply_rows<rows - 1, along>(a, b, words, c, stride, rows_there, columns, add);
    if (columns > 2 * kLanes)
      return multiply_tile<rows, 3, along>(a, b, words, c, stride, columns, add);
    if (columns > kLanes)
      return multiply_tile<rows, 2, along>(a, b, words, c, stride, columns, add);
    multiply_tile<rows, 1, along>(a, b, words, c, stride, columns, add);
  }

  static void multiply(Left a, const unsigned char* b, Inner inner, float* c, int64_t stride,
                       int64_t rows, int64_t columns, bool add) {
    constexpr int kAll = static_cast<int>(kRows);
    const int64_t before = inner.begin / kDepth, words = inner.end / kDepth - before;
    a.data += before * a.inner_step();
    const float* right = reinterpret_cast<const float*>(b) + before * padded_width(columns);
    if constexpr (Words::kInPlace)
      if (a.order == Order::kAlong)
        return multiply_rows<kAll, true>(a, right, words, c, stride, rows, columns, add);
    multiply_rows<kAll, false>(a, right, words, c, stride, rows, columns, add);
  }
};

// With fewer rows or columns packing costs more than it saves (measured beside MKL held to SSE4.2).
inline bool pays(Extent size) {
  return size.rows >= 4 && size.columns >= 8 && size.inner >= 8;
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
