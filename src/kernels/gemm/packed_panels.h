// How packed_gemm.h cuts a product into blocks and panels, and where its right factor's panels
// come from.
#pragma once

#include <stdint.h>

#include "native_backends.h"
#include "pieces.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// The side from row (or column) i and inner index k on.
template <class T>
inline ProductSide<T> from(const ProductSide<T>& side, int64_t i, int64_t k) {
  return {side.data + (side.along ? i * side.stride + k : k * side.stride + i), side.stride,
          side.along};
}

// Asks for part `part` of `parts` of the lines of (count, depth) elements of a side.
template <class T>
inline void fetch(const ProductSide<T>& side, int64_t count, int64_t depth, int64_t part,
                  int64_t parts) {
  const int64_t rows = side.along ? count : depth, columns = side.along ? depth : count;
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));
  for (int64_t row = rows * part / parts; row < rows * (part + 1) / parts; ++row)
    for (int64_t column = 0; column < columns; column += kLine)
      __builtin_prefetch(side.data + row * side.stride + column, 0, 2);
}

inline void fetch(const unsigned char* bytes, int64_t size, int64_t part, int64_t parts) {
  for (int64_t at = size * part / parts / 64 * 64; at < size * (part + 1) / parts; at += 64)
    __builtin_prefetch(bytes + at, 0, 2);
}

// Kernel, for sides of type Kernel::Element:
//   kRows, kColumns: of the result, in a panel of a and at most in one of b
//   kDepth: the inner dimension is padded with zeros to a multiple of it
//   kRowBlock, kDepthBlock: most of a's rows and inner indices in a block, multiples of the above;
//     kBlock: most elements of a block
//   kBytes: of a packed element
//   panel_columns(left): of the next panel of b, if so many columns are left
//   panel_at(column, columns): where a panel begins that is there or near, of so many columns in
//     all; column: a multiple of kColumns or the end
//   padded_width(count): that a packed panel takes which has so many columns (rows of a)
//   Left, left(side, rows, depth, columns, to): a block of a, for a product with so many columns,
//     packed into `to` unless it is read where it is; panel(left, i, depth): from its row i on
//   pack_b(side, count, depth, to): panel after panel
//   multiply(panel of left, panel of b, inner, c, stride, rows, columns, add), inner being an Inner
//     (k_range.h) in multiples of kDepth, counted from where the panels begin
struct BlockSteps {
  int64_t rows, depth;
};

template <class Kernel>
inline int64_t padded_depth(int64_t depth) {
  return pieces_of(depth, Kernel::kDepth) * Kernel::kDepth;
}

template <class Kernel>
inline BlockSteps block_steps(Extent size) {
  const int64_t depth = even_piece(size.inner, Kernel::kDepthBlock, Kernel::kDepth);
  const int64_t rows_most = Kernel::kBlock / depth / Kernel::kRows * Kernel::kRows;
  return {even_piece(size.rows, least(rows_most, Kernel::kRowBlock), Kernel::kRows), depth};
}

// The panels of b: those that were packed before, or one at a time, in memory that they share.
template <class Kernel>
struct RightPanels {
  ProductSide<typename Kernel::Element> side;
  const unsigned char* packed;
  int64_t columns, packed_inner;

  RightPanels(const ProductSide<typename Kernel::Element>& b, Packed packed_b, Extent size)
      : side(b),
        packed(packed_b.data),
        columns(size.columns),
        packed_inner(padded_depth<Kernel>(packed_b.inner > 0 ? packed_b.inner : size.inner)) {}

  int64_t width(int64_t column) const { return Kernel::panel_columns(columns - column); }
  const unsigned char* packed_at(int64_t column, int64_t k) const {
    return packed +
           (column * packed_inner + k * Kernel::padded_width(width(column))) * Kernel::kBytes;
  }
  void pack(int64_t column, int64_t k, int64_t depth, unsigned char* to) const {
    Kernel::pack_b(from(side, column, k), width(column), depth, to);
  }
};

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
