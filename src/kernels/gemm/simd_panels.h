// Blocks and panels of words, as packed_panels.h wants them.
#pragma once

#include "pack_panels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// A tile is three vectors wide: with half as many rows as lanes that takes 12 (AVX-512: 24) of 16
// (32) registers, three for b and one for a. A panel of b stays in the first cache, a block of a in
// the second.
template <class Words>
struct WordPanels {
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
  // A piece that would end between those two ends before them.
  static int64_t panel_at(int64_t column, int64_t columns) {
    const int64_t left = columns - column;
    return column > 0 && left > 0 && left <= kLanes ? column - kColumns : column;
  }
  static int64_t padded_width(int64_t columns) { return pieces_of(columns, kLanes) * kLanes; }

  // Where the words of a are: packed, in panels of kRows that follow each other, those of one inner
  // index beside each other; or in place, those of one row (kAlong) or one inner index (kDown).
  enum class Order { kPacked, kAlong, kDown };
  struct Left {
    const float* data;
    Order order;
    int64_t stride;  // in place

    int64_t row_step(int64_t words) const {
      return order == Order::kPacked ? words : order == Order::kAlong ? stride : 1;
    }
    int64_t inner_step() const {
      return order == Order::kPacked ? kRows : order == Order::kAlong ? 1 : stride;
    }
  };
  // Copying a costs as much as multiplying it by a dozen columns. It is worth that for many
  // columns, since rows in place may fall on the same few lines of a cache, and sooner where each
  // inner index is a line of its own.
  static constexpr int64_t kFewColumns = 512, kFewColumnsDown = 96;

  static bool in_place(const ProductSide<Element>& side, int64_t columns) {
    const bool spread = side.stride / 16 % 2 == 1;  // an odd number of lines from one to the next
    return side.along ? columns <= kFewColumns : columns <= kFewColumnsDown && spread;
  }

  static Left left(const ProductSide<Element>& side, int64_t rows, int64_t depth, int64_t columns,
                   unsigned char* to) {
    if constexpr (Words::kInPlace)
      if (in_place(side, columns))
        return {side.data, side.along ? Order::kAlong : Order::kDown, side.stride};
    float* packed = reinterpret_cast<float*>(to);
    pack_words<Words, kRows, 1>(side, rows, depth, packed);
    return {packed, Order::kPacked, 0};
  }
  static Left panel(const Left& left, int64_t i, int64_t depth) {
    return {left.data + i * left.row_step(depth / kDepth), left.order, left.stride};
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
      panel += padded_width(width) * words;
    }
  }
};

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
