// How a GEMM is cut into blocks that fit the caches, and blocks into panels that fit the registers.
#pragma once

#include <stdint.h>

#include "gpt/kernels/gemm/gemm_backend.h"

namespace gpt {
namespace GPT_ISA {
namespace {

inline int64_t smaller_of(int64_t a, int64_t b) {
  return a < b ? a : b;
}

inline int64_t larger_of(int64_t a, int64_t b) {
  return a > b ? a : b;
}

inline int64_t ceil_div(int64_t size, int64_t most) {
  return (size + most - 1) / most;
}

// The size of equal blocks, a multiple of `unit`, of at most `most` (a multiple of `unit` too).
inline int64_t even_block(int64_t size, int64_t most, int64_t unit) {
  const int64_t block = ceil_div(size, ceil_div(size, most));
  return ceil_div(block, unit) * unit;
}

// The operand from row (of B: column) i and index k on.
template <class T>
inline GemmOperand<T> from(const GemmOperand<T>& side, int64_t i, int64_t k) {
  return {side.data + (side.k_contiguous ? i * side.stride + k : k * side.stride + i), side.stride,
          side.k_contiguous};
}

// Prefetches part `part` of `parts` of the cache lines of (count, depth) elements of an operand.
template <class T>
inline void prefetch(const GemmOperand<T>& side, int64_t count, int64_t depth, int64_t part,
                     int64_t parts) {
  const int64_t rows = side.k_contiguous ? count : depth,
                columns = side.k_contiguous ? depth : count;
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof(T));
  for (int64_t row = rows * part / parts; row < rows * (part + 1) / parts; ++row)
    for (int64_t column = 0; column < columns; column += kLine)
      __builtin_prefetch(side.data + row * side.stride + column, 0, 2);
}

inline void prefetch(const unsigned char* bytes, int64_t size, int64_t part, int64_t parts) {
  for (int64_t at = size * part / parts / 64 * 64; at < size * (part + 1) / parts; at += 64)
    __builtin_prefetch(bytes + at, 0, 2);
}

// The blocking of a GEMM, as in BLIS: a block of A of kMC x kKC elements stays in the second cache
// while panels of B of kNR columns pass by in the first, and the microkernel multiplies a panel of
// kMR rows of A with one of B. A Kernel supplies, for operands of type Kernel::Element:
//   kMR, kNR: rows of a panel of A, and at most so many columns of a panel of B
//   kKUnit: the depth of a panel is padded with zeros to a multiple of it
//   kMC, kKC: at most so many rows of A and indices k are in a block, multiples of the above;
//     kBlockElements: at most so many elements
//   kBytes: of a packed element
//   panel_columns(left): columns of the next panel of B, if so many are left
//   panel_at(column, columns): where the panel begins that is at `column` or near, of so many
//     columns in all; column is a multiple of kNR or the end
//   padded_width(count): columns (of A: rows) that a packed panel takes which has `count`
//   BlockA, block_a(operand, rows, depth, columns, to): a block of A, for a GEMM with so many
//     columns, packed into `to` unless it is read where it is; panel(block, i, depth): from its row
//     i on
//   pack_b(operand, count, depth, to): packs panel after panel
//   multiply(panel of A, panel of B, k, c, stride, rows, columns, add): the microkernel; `k` is a
//     KRange in multiples of kKUnit, counted from where the panels begin
struct Blocking {
  int64_t rows, depth;  // of a block of A
};

template <class Kernel>
inline int64_t padded_k(int64_t depth) {
  return ceil_div(depth, Kernel::kKUnit) * Kernel::kKUnit;
}

template <class Kernel>
inline Blocking choose_blocking(GemmShape size) {
  const int64_t depth = even_block(size.K, Kernel::kKC, Kernel::kKUnit);
  const int64_t rows_most = Kernel::kBlockElements / depth / Kernel::kMR * Kernel::kMR;
  return {even_block(size.M, smaller_of(rows_most, Kernel::kMC), Kernel::kMR), depth};
}

// The panels of B: those that were packed before, or one at a time, in memory that they share.
template <class Kernel>
struct PanelsB {
  GemmOperand<typename Kernel::Element> side;
  const unsigned char* packed;
  int64_t columns, packed_k;

  PanelsB(const GemmOperand<typename Kernel::Element>& b, PackedB packed_b, GemmShape size)
      : side(b),
        packed(packed_b.data),
        columns(size.N),
        packed_k(padded_k<Kernel>(packed_b.K > 0 ? packed_b.K : size.K)) {}

  int64_t width(int64_t column) const { return Kernel::panel_columns(columns - column); }
  const unsigned char* packed_at(int64_t column, int64_t k) const {
    return packed + (column * packed_k + k * Kernel::padded_width(width(column))) * Kernel::kBytes;
  }
  void pack(int64_t column, int64_t k, int64_t depth, unsigned char* to) const {
    Kernel::pack_b(from(side, column, k), width(column), depth, to);
  }
};

// Indices k in [begin, end).
struct KRange {
  int64_t begin, end;
};

// The indices k that `rows` rows of C from (row, column) on depend on, where a matrix is
// triangular; none: that part of C is not needed.
inline KRange needed_k(const GemmShape& size, int64_t row, int64_t rows, int64_t column) {
  const int64_t diagonal = size.first + row;  // of the first row
  switch (size.triangle) {
    case Triangle::kLowerC:
      return {0, column < diagonal + rows ? size.K : 0};
    case Triangle::kLowerA:
      return {0, smaller_of(size.K, diagonal + rows)};
    case Triangle::kLowerAT:
      return {larger_of(0, row - size.first), size.K};
    case Triangle::kNone:
      break;
  }
  return {0, size.K};
}

// Those of `range` in [k, k + depth), counted from k, in whole multiples of kKUnit.
template <class Kernel>
KRange clip_k(KRange range, int64_t k, int64_t depth) {
  const int64_t begin = larger_of(0, range.begin - k), end = smaller_of(depth, range.end - k);
  return {begin / Kernel::kKUnit * Kernel::kKUnit, padded_k<Kernel>(larger_of(0, end))};
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
