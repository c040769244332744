// The innermost kernel of packed_product.h by multiply-adds of vectors: a tile of the result stays
// in registers while words of a, each broadcast, meet vectors of words of b (word_pack.h). Included
// after the lanes_*.h of the instruction set.
#pragma once

#include "word_pack.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// A tile is three vectors wide: with half as many rows as lanes that takes 12 (AVX-512: 24) of 16
// (32) registers, three for b and one for a. A panel of b stays in the first cache, a block of a in
// the second.
template <class Words>
struct WordKernel {
  using Element = typename Words::Element;
  static constexpr int64_t kRows = kLanes / 2, kColumns = 3 * kLanes;
  static constexpr int64_t kDepth = Words::kElements;
  static constexpr int64_t kBytes = 4 / Words::kElements;
  static constexpr int64_t kRowBlock = 512;
  static constexpr int64_t kDepthBlock = (kLanes == 16 ? 192 : 256) * Words::kElements;
  static constexpr int64_t kBlock = 256 * kDepthBlock;

  // The multiply-adds of a tile one vector wide wait for each other: 2 + 2 vectors, not 3 + 1.
  static int64_t panel_columns(int64_t left) {
    const bool two = left > kColumns && left <= 4 * kLanes;
    return two ? 2 * kLanes : least(kColumns, left);
  }
  static int64_t panel_at(int64_t column, int64_t columns) {
    const int64_t left = columns - column;
    return column > 0 && left > 0 && left <= kLanes ? column - kColumns : column;
  }
  static int64_t padded_columns(int64_t columns) { return pieces_of(columns, kLanes) * kLanes; }

  // Row i, inner index k: data[i * row + k * inner] words.
  struct Left {
    const float* data;
    int64_t row, inner;
  };
  // Copying a costs as much as multiplying it by a dozen columns. Rows in place may share sets of
  // a cache, for which many columns pay.
  static constexpr int64_t kFewColumns = 512;

  static Left left(const ProductSide<Element>& side, int64_t rows, int64_t depth, int64_t columns,
                   unsigned char* to) {
    if constexpr (Words::kInPlace)
      if (side.along && columns <= kFewColumns) return {side.data, side.stride, 1};
    float* packed = reinterpret_cast<float*>(to);
    pack_words<Words, kRows, 1>(side, rows, depth, packed);
    return {packed, 1, kRows};
  }
  static Left panel(const Left& left, int64_t i, int64_t depth) {
    // Packed panels of kRows follow each other.
    return {left.data + i * (left.inner == 1 ? left.row : depth / kDepth), left.row, left.inner};
  }

  static void pack_b(const ProductSide<Element>& side, int64_t count, int64_t depth,
                     unsigned char* to) {
    const int64_t words = pieces_of(depth, kDepth);
    float* panel = reinterpret_cast<float*>(to);
    for (int64_t column = 0, width = 0; column < count; column += width) {
      width = panel_columns(count - column);
      const auto here = from(side, column, 0);
      if (width > 2 * kLanes)
        pack_words<Words, 3 * kLanes, kLanes>(here, width, depth, panel);
      else if (width > kLanes)
        pack_words<Words, 2 * kLanes, kLanes>(here, width, depth, panel);
      else
        pack_words<Words, kLanes, kLanes>(here, width, depth, panel);
      panel += padded_columns(width) * words;
    }
  }

  template <class End>
  static inline void put(float* to, Floats sum, bool add, End end) {
    store(to, add ? load(to, end) + sum : sum, end);
  }

  template <int rows, int vectors, bool packed>
  static void multiply_tile(Left a, const float* b, int64_t words, float* c, int64_t stride,
                            int64_t columns, bool add) {
    const int64_t row_step = packed ? 1 : a.row, inner_step = packed ? kRows : 1;
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

  template <int rows, bool packed>
  static void multiply_rows(const Left& a, const float* b, int64_t words, float* c, int64_t stride,
                            int64_t rows_there, int64_t columns, bool add) {
    if constexpr (rows > 1)
      if (rows_there < rows)
        return multiply_rows<rows - 1, packed>(a, b, words, c, stride, rows_there, columns, add);
    if (columns > 2 * kLanes)
      return multiply_tile<rows, 3, packed>(a, b, words, c, stride, columns, add);
    if (columns > kLanes)
      return multiply_tile<rows, 2, packed>(a, b, words, c, stride, columns, add);
    multiply_tile<rows, 1, packed>(a, b, words, c, stride, columns, add);
  }

  static void multiply(const Left& a, const unsigned char* b, int64_t depth, float* c,
                       int64_t stride, int64_t rows, int64_t columns, bool add) {
    constexpr int kAll = static_cast<int>(kRows);
    const float* right = reinterpret_cast<const float*>(b);
    const int64_t words = depth / kDepth;
    if constexpr (Words::kInPlace)
      if (a.inner == 1)
        return multiply_rows<kAll, false>(a, right, words, c, stride, rows, columns, add);
    multiply_rows<kAll, true>(a, right, words, c, stride, rows, columns, add);
  }
};

// With fewer rows or columns packing costs more than it saves (measured beside MKL held to SSE4.2).
inline bool pays(Extent size) {
  return size.rows >= 4 && size.columns >= 8 && size.inner >= 8;
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
