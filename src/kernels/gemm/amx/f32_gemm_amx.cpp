// float32's products with tiles (tile_microkernel.h). Packing is a good part of such a product, as
// each value becomes three; so it is done beside the multiplication of what was packed before.
#define GPT_ISA amx

#include "f32_gemm_amx.h"

#include <utility>

#include "interleaved_packing.h"
#include "kernels/gemm/k_range.h"
#include "kernels/gemm/packed_gemm.h"
#include "tile_microkernel.h"
#include "tile_panels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

using Panels = TilePanels<float>;

LineFetch lines(const F32Side& side, int64_t count, int64_t depth) {
  constexpr int64_t kSize = sizeof(float);
  return {side.data, side.along ? count : depth, side.stride * kSize,
          (side.along ? depth : count) * kSize};
}

int64_t bytes_of(Extent size) {
  const int64_t values = (size.rows + size.columns) * size.inner + size.rows * size.columns;
  return values * static_cast<int64_t>(sizeof(float));
}

// By blocks of a, in which all panels of b pass by.
class F32Product {
 public:
  F32Product(Extent size, F32Side a, F32Side b, Packed packed_b, MutF32 c, Into into,
             unsigned char* workspace)
      : size_(size),
        a_(a),
        right_(b, packed_b, size),
        c_(c),
        into_(into),
        step_(block_steps<Panels>(size)),
        left_(workspace),
        own_{workspace + step_.rows * step_.depth * Panels::kBytes,
             own_[0] + Panels::kColumns * step_.depth * Panels::kBytes},
        fetches_(bytes_of(size) > kInCache) {}

  void run() {
    Block block = block_at(0, 0);
    if (!right_.packed) beside_.right = {pack_right({0, 0}), 1};
    while (block.depth > 0) {
      const Block next = after(block);
      for (int64_t column = 0; column < size_.columns; column += Panels::kColumns)
        multiply_column(block, column, next);
      ready_ = std::exchange(next_ready_, 0);
      block = next;
    }
  }

 private:
  static constexpr int64_t kInCache = 1 << 20;

  struct Block {
    int64_t k, row, depth, rows, panels;  // depth 0: there is none

    int64_t rows_of(int64_t panel) const {
      return least(Panels::kRows, rows - panel * Panels::kRows);
    }
    int64_t turns() const { return turns_of(padded_depth<Panels>(depth)); }
  };
  // How often Beside is called while a panel is multiplied.
  static int64_t turns_of(int64_t depth) { return depth / kTileDepth * kBetweenABlock<float>; }
  struct RightPlace {
    int64_t k, column;
  };

  int64_t depth_at(int64_t k) const { return least(step_.depth, size_.inner - k); }

  Block block_at(int64_t k, int64_t row) const {
    if (k >= size_.inner) return {};
    const int64_t rows = least(step_.rows, size_.rows - row);
    return {k, row, depth_at(k), rows, pieces_of(rows, Panels::kRows)};
  }
  Block after(const Block& block) const {
    const int64_t row = block.row + step_.rows;
    return row < size_.rows ? block_at(block.k, row) : block_at(block.k + step_.depth, 0);
  }
  RightPlace after(RightPlace at, const Block& next) const {
    if (at.column + Panels::kColumns < size_.columns) return {at.k, at.column + Panels::kColumns};
    return {next.depth > 0 ? next.k : size_.inner, 0};
  }

  unsigned char* left_at(int64_t panel) const {
    return left_ + panel * step_.depth * Panels::kRows * Panels::kBytes;
  }
  F32Side left_side(const Block& block, int64_t panel) const {
    return from(a_, block.row + panel * Panels::kRows, block.k);
  }
  PanelPacking pack_left(const Block& block, int64_t panel) const {
    return {left_side(block, panel), TileOf::kLeft, block.rows_of(panel), block.depth,
            left_at(panel)};
  }
  PanelPacking pack_right(RightPlace at) {
    return {from(right_.side, at.column, at.k), TileOf::kRight, right_.width(at.column),
            depth_at(at.k), own_[turn_ ^= 1]};
  }

  // While a panel of a is multiplied: packs another one, and asks for the one behind that.
  void prepare_left(const Block& block, int64_t panel, int64_t turns) {
    beside_.left = {pack_left(block, panel), turns};
    beside_.left_lines = {};
    if (fetches_ && ++panel < block.panels)
      beside_.left_lines = {lines(left_side(block, panel), block.rows_of(panel), block.depth),
                            turns};
  }

  // While a panel of b is multiplied: packs the next one, or asks for it where all are packed, and
  // asks for what comes behind it, and for the lines of the result.
  void prepare_column(const Block& block, int64_t column, const Block& next) {
    const int64_t turns = block.panels * block.turns();
    beside_.right_lines = beside_.result_lines = {};
    const RightPlace soon = after({block.k, column}, next);
    if (soon.k >= size_.inner) return;
    if (!right_.packed) beside_.right = {pack_right(soon), turns};
    if (!fetches_) return;
    const int64_t width = right_.width(soon.column);
    const Block& of = soon.column > 0 ? block : next;
    constexpr int64_t kSize = sizeof(float);
    beside_.result_lines = {LineFetch(c_.data + of.row * c_.stride + soon.column, of.rows,
                                      c_.stride * kSize, width * kSize),
                            turns};
    if (right_.packed) {
      const int64_t bytes = of.depth * Panels::padded_width(width) * Panels::kBytes;
      beside_.right_lines = {LineFetch(right_.packed_at(soon.column, soon.k), 1, 0, bytes), turns};
      return;
    }
    const RightPlace then = after(soon, next);
    if (then.k < size_.inner)
      beside_.right_lines = {lines(from(right_.side, then.column, then.k),
                                   right_.width(then.column), depth_at(then.k)),
                             turns};
  }

  void multiply_column(const Block& block, int64_t column, const Block& next) {
    beside_.right.work().finish();
    const unsigned char* right = right_.packed ? right_.packed_at(column, block.k) : own_[turn_];
    prepare_column(block, column, next);
    const bool last = column + Panels::kColumns >= size_.columns;
    for (int64_t panel = 0; panel < block.panels; ++panel) {
      if (ready_ == panel) {
        pack_left(block, panel).finish();
        ++ready_;
      }
      const int64_t row = block.row + panel * Panels::kRows, rows = block.rows_of(panel);
      const Inner inner = that_count(size_, row, rows, column);
      const Inner here = part_of<Panels>(inner, block.k, block.depth);
      if (here.begin >= here.end) continue;
      // A place that this block does not need any more is the next one's.
      const int64_t turns = turns_of(here.end - here.begin);
      if (ready_ < block.panels)
        prepare_left(block, ready_++, turns);
      else if (last && next_ready_ < least(panel, next.panels))
        prepare_left(next, next_ready_++, turns);
      const int64_t width = right_.width(column);
      multiply_panels<float>(
          left_at(panel) + here.begin * Panels::padded_width(rows) * Panels::kBytes,
          right + here.begin * Panels::padded_width(width) * Panels::kBytes,
          (here.end - here.begin) / kTileDepth, c_.data + row * c_.stride + column, c_.stride, rows,
          width, into_ == Into::kAdd || block.k > inner.begin, beside_);
    }
  }

  const Extent size_;
  const F32Side a_;
  const RightPanels<Panels> right_;
  const MutF32 c_;
  const Into into_;
  const BlockSteps step_;
  unsigned char* left_;
  unsigned char* own_[2];  // panels of b
  const bool fetches_;     // more than what is in the caches anyway
  Beside beside_;
  int turn_ = 0;
  int64_t ready_ = 0, next_ready_ = 0;  // panels of this block and the next that are packed
};

}  // namespace

void multiply_f32(Extent size, ProductSide<float> a, ProductSide<float> b, Packed packed_b,
                  MutF32 c, Into into, unsigned char* workspace) {
  const TilesConfigured tiles;
  F32Product(size, a, b, packed_b, c, into, workspace).run();
}

int64_t workspace_bytes_f32(Extent most) {
  return blocks_bytes<Panels>(most, /*panels=*/2);
}

int64_t packed_bytes_f32(int64_t columns, int64_t inner) {
  return packed_bytes<Panels>(columns, inner);
}

void pack_columns_f32(ProductSide<float> b, int64_t first, int64_t last, int64_t /*columns*/,
                      int64_t inner, unsigned char* to) {
  for (int64_t column = first; column < last; column += Panels::kColumns)
    PanelPacking(from(b, column, 0), TileOf::kRight, least(Panels::kColumns, last - column), inner,
                 to + column * padded_depth<Panels>(inner) * Panels::kBytes)
        .finish();
}

}  // namespace GPT_ISA
}  // namespace gpt
