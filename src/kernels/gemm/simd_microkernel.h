// The microkernel of packed_gemm.h by multiply-adds of SIMD vectors: a tile of C stays in registers
// while k-groups of A, each broadcast, are multiplied with vectors of k-groups of B. Include the
// simd_*.h of the instruction set first.
#pragma once

#include "pack_panels.h"
#include "packed_gemm.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// The panels of the SIMD microkernel. Its tile of C is three vectors wide: with half as many rows
// as lanes that takes 12 (AVX-512: 24) of 16 (32) registers, three for B and one for A. A panel of
// B stays in the first cache, a block of A in the second.
template <class KGroup>
struct SimdPanels {
  using Element = typename KGroup::Element;
  static constexpr int64_t kMR = kLanes / 2, kNR = 3 * kLanes;
  static constexpr int64_t kKUnit = KGroup::kElements;
  static constexpr int64_t kBytes = 4 / KGroup::kElements;
  static constexpr int64_t kMC = 512;
  static constexpr int64_t kKC = (kLanes == 16 ? 192 : 256) * KGroup::kElements;
  static constexpr int64_t kBlockElements = 256 * kKC;

  // The multiply-adds of a tile one vector wide wait for each other: 2 + 2 vectors, not 3 + 1.
  static int64_t panel_columns(int64_t left) {
    const bool two = left > kNR && left <= 4 * kLanes;
    return two ? 2 * kLanes : smaller_of(kNR, left);
  }
  // A range of columns that would end between those two ends before them.
  static int64_t panel_at(int64_t column, int64_t columns) {
    const int64_t left = columns - column;
    return column > 0 && left > 0 && left <= kLanes ? column - kNR : column;
  }
  static int64_t padded_width(int64_t columns) { return ceil_div(columns, kLanes) * kLanes; }

  // Where the k-groups of A are: packed, in panels of kMR that follow each other, those of one k
  // next to each other; or in place, where those of one row (kRowMajor) or of one k (kColumnMajor)
  // are.
  enum class Order { kPacked, kRowMajor, kColumnMajor };
  struct BlockA {
    const float* data;
    Order order;
    int64_t stride;  // in place

    int64_t row_step(int64_t groups) const {
      return order == Order::kPacked ? groups : order == Order::kRowMajor ? stride : 1;
    }
    int64_t inner_step() const {
      return order == Order::kPacked ? kMR : order == Order::kRowMajor ? 1 : stride;
    }
  };
  // Packing A costs as much as multiplying it by a dozen columns. It is worth that for many
  // columns, since rows in place may fall on the same few lines of a cache, and sooner where each k
  // is a line of its own.
  static constexpr int64_t kFewColumns = 512, kFewColumnsOfColumnMajor = 96;

  static bool in_place(const GemmOperand<Element>& side, int64_t columns) {
    const bool spread = side.stride / 16 % 2 == 1;  // an odd number of lines from one to the next
    return side.k_contiguous ? columns <= kFewColumns
                             : columns <= kFewColumnsOfColumnMajor && spread;
  }

  static BlockA block_a(const GemmOperand<Element>& side, int64_t rows, int64_t depth,
                        int64_t columns, unsigned char* to) {
    if constexpr (KGroup::kInPlace)
      if (in_place(side, columns))
        return {side.data, side.k_contiguous ? Order::kRowMajor : Order::kColumnMajor, side.stride};
    float* packed = reinterpret_cast<float*>(to);
    pack_panels<KGroup, kMR, 1>(side, rows, depth, packed);
    return {packed, Order::kPacked, 0};
  }
  static BlockA panel(const BlockA& block, int64_t i, int64_t depth) {
    return {block.data + i * block.row_step(depth / kKUnit), block.order, block.stride};
  }

  static void pack_b(const GemmOperand<Element>& side, int64_t count, int64_t depth,
                     unsigned char* to) {
    const int64_t groups = ceil_div(depth, kKUnit);
    float* panel = reinterpret_cast<float*>(to);
    for (int64_t column = 0, width = 0; column < count; column += width) {
      width = panel_columns(count - column);
      const auto here = from(side, column, 0);
      if (width > 2 * kLanes)
        pack_panels<KGroup, 3 * kLanes, kLanes>(here, width, depth, panel);
      else if (width > kLanes)
        pack_panels<KGroup, 2 * kLanes, kLanes>(here, width, depth, panel);
      else
        pack_panels<KGroup, kLanes, kLanes>(here, width, depth, panel);
      panel += padded_width(width) * groups;
    }
  }
};

template <class KGroup>
struct SimdMicrokernel : SimdPanels<KGroup> {
  using Panels = SimdPanels<KGroup>;
  using Panels::kKUnit;
  using Panels::kMR;
  using Panels::padded_width;
  using typename Panels::BlockA;
  using typename Panels::Order;

  template <class End>
  static inline void put(float* to, VecF32 sum, bool add, End end) {
    store(to, add ? load(to, end) + sum : sum, end);
  }

  // row_major: whether a.order is kRowMajor.
  template <int rows, int vectors, bool row_major>
  static void multiply_tile(BlockA a, const float* b, int64_t groups, float* c, int64_t stride,
                            int64_t columns, bool add) {
    const int64_t row_step = row_major ? a.stride : 1, inner_step = row_major ? 1 : a.inner_step();
    // The lines of C come from far away while the sums are built.
    for (int row = 0; row < rows; ++row)
      for (int64_t at = 0; at < vectors * kLanes; at += 16)
        __builtin_prefetch(c + row * stride + at, 1);
    VecF32 sum[rows][vectors] = {};
    for (int64_t k = 0; k < groups; ++k) {
      VecF32 b_row[vectors];
      for (int v = 0; v < vectors; ++v) b_row[v] = load(b + v * kLanes, FullMask{});
      for (int row = 0; row < rows; ++row)
        for (int v = 0; v < vectors; ++v)
          sum[row][v] = KGroup::multiply_add(a.data[row * row_step], b_row[v], sum[row][v]);
      a.data += inner_step;
      b += vectors * kLanes;
    }
    constexpr int kLast = (vectors - 1) * static_cast<int>(kLanes);
    const PrefixMask end(columns - kLast);
    for (int row = 0; row < rows; ++row) {
      float* to = c + row * stride;
      for (int v = 0; v < vectors - 1; ++v) put(to + v * kLanes, sum[row][v], add, FullMask{});
      if (columns == vectors * kLanes)
        put(to + kLast, sum[row][vectors - 1], add, FullMask{});
      else
        put(to + kLast, sum[row][vectors - 1], add, end);
    }
  }

  template <int rows, bool row_major>
  static void multiply_rows(const BlockA& a, const float* b, int64_t groups, float* c,
                            int64_t stride, int64_t rows_there, int64_t columns, bool add) {
    if constexpr (rows > 1)
      if (rows_there < rows)
        return multiply_rows<rows - 1, row_major>(a, b, groups, c, stride, rows_there, columns,
                                                  add);
    if (columns > 2 * kLanes)
      return multiply_tile<rows, 3, row_major>(a, b, groups, c, stride, columns, add);
    if (columns > kLanes)
      return multiply_tile<rows, 2, row_major>(a, b, groups, c, stride, columns, add);
    multiply_tile<rows, 1, row_major>(a, b, groups, c, stride, columns, add);
  }

  static void multiply(BlockA a, const unsigned char* b, KRange k, float* c, int64_t stride,
                       int64_t rows, int64_t columns, bool add) {
    constexpr int kAll = static_cast<int>(kMR);
    const int64_t before = k.begin / kKUnit, groups = k.end / kKUnit - before;
    a.data += before * a.inner_step();
    const float* panel_b = reinterpret_cast<const float*>(b) + before * padded_width(columns);
    if constexpr (KGroup::kInPlace)
      if (a.order == Order::kRowMajor)
        return multiply_rows<kAll, true>(a, panel_b, groups, c, stride, rows, columns, add);
    multiply_rows<kAll, false>(a, panel_b, groups, c, stride, rows, columns, add);
  }
};

// With fewer rows or columns packing costs more than it saves (measured against MKL held to
// SSE4.2).
inline bool large_enough(GemmShape size) {
  return size.M >= 4 && size.N >= 8 && size.K >= 8;
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
