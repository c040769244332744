// GEMM of float32 with tile instructions (tile_microkernel.h). Packing is a good part of its time,
// as each value becomes three; so it is interleaved with the multiplication of what was packed
// before.
#define GPT_ISA amx

#include "f32_gemm_amx.h"

#include <utility>

#include "interleaved_packing.h"
#include "kernels/gemm/packed_gemm.h"
#include "tile_microkernel.h"
#include "tile_panels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

using Panels = TilePanels<float>;

LinePrefetch lines(const F32Operand& side, int64_t count, int64_t depth) {
  constexpr int64_t kSize = sizeof(float);
  return {side.data, side.k_contiguous ? count : depth, side.stride * kSize,
          (side.k_contiguous ? depth : count) * kSize};
}

int64_t bytes_of(GemmShape size) {
  const int64_t values = (size.M + size.N) * size.K + size.M * size.N;
  return values * static_cast<int64_t>(sizeof(float));
}

// A GEMM by blocks of A, past which all panels of B go.
class F32Gemm {
 public:
  F32Gemm(GemmShape size, F32Operand a, F32Operand b, PackedB packed_b, MutF32 c, Into into,
          unsigned char* workspace)
      : size_(size),
        a_(a),
        b_(b, packed_b, size),
        c_(c),
        into_(into),
        step_(choose_blocking<Panels>(size)),
        packed_a_(workspace),
        own_b_{workspace + step_.rows * step_.depth * Panels::kBytes,
               own_b_[0] + Panels::kNR * step_.depth * Panels::kBytes},
        prefetches_(bytes_of(size) > kInCache) {}

  void run() {
    Block block = block_at(0, 0);
    if (!b_.packed) interleaved_.b_panel = {pack_b_panel({0, 0}), 1};
    while (block.depth > 0) {
      const Block next = after(block);
      for (int64_t column = 0; column < size_.N; column += Panels::kNR)
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
      return smaller_of(Panels::kMR, rows - panel * Panels::kMR);
    }
    int64_t slots() const { return slots_of(padded_k<Panels>(depth)); }
  };
  // How often InterleavedWork is called while a panel is multiplied.
  static int64_t slots_of(int64_t depth) { return depth / kTileDepth * kBetweenABlock<float>; }
  struct PanelPlace {
    int64_t k, column;
  };

  int64_t depth_at(int64_t k) const { return smaller_of(step_.depth, size_.K - k); }

  Block block_at(int64_t k, int64_t row) const {
    if (k >= size_.K) return {};
    const int64_t rows = smaller_of(step_.rows, size_.M - row);
    return {k, row, depth_at(k), rows, ceil_div(rows, Panels::kMR)};
  }
  Block after(const Block& block) const {
    const int64_t row = block.row + step_.rows;
    return row < size_.M ? block_at(block.k, row) : block_at(block.k + step_.depth, 0);
  }
  PanelPlace after(PanelPlace at, const Block& next) const {
    if (at.column + Panels::kNR < size_.N) return {at.k, at.column + Panels::kNR};
    return {next.depth > 0 ? next.k : size_.K, 0};
  }

  unsigned char* a_panel_at(int64_t panel) const {
    return packed_a_ + panel * step_.depth * Panels::kMR * Panels::kBytes;
  }
  F32Operand a_panel_operand(const Block& block, int64_t panel) const {
    return from(a_, block.row + panel * Panels::kMR, block.k);
  }
  PanelPacking pack_a_panel(const Block& block, int64_t panel) const {
    return {a_panel_operand(block, panel), TileOf::kA, block.rows_of(panel), block.depth,
            a_panel_at(panel)};
  }
  PanelPacking pack_b_panel(PanelPlace at) {
    return {from(b_.side, at.column, at.k), TileOf::kB, b_.width(at.column), depth_at(at.k),
            own_b_[current_b_ ^= 1]};
  }

  // Schedules for the time while a panel of A is multiplied: the packing of another one and the
  // prefetching of the one behind that.
  void prepare_a_panel(const Block& block, int64_t panel, int64_t slots) {
    interleaved_.a_panel = {pack_a_panel(block, panel), slots};
    interleaved_.a_lines = {};
    if (prefetches_ && ++panel < block.panels)
      interleaved_.a_lines = {
          lines(a_panel_operand(block, panel), block.rows_of(panel), block.depth), slots};
  }

  // Schedules for the time while a panel of B is multiplied: the packing of the next one, or its
  // prefetching where all are packed, and the prefetching of what comes behind it and of the lines
  // of C.
  void prepare_column(const Block& block, int64_t column, const Block& next) {
    const int64_t slots = block.panels * block.slots();
    interleaved_.b_lines = interleaved_.c_lines = {};
    const PanelPlace soon = after({block.k, column}, next);
    if (soon.k >= size_.K) return;
    if (!b_.packed) interleaved_.b_panel = {pack_b_panel(soon), slots};
    if (!prefetches_) return;
    const int64_t width = b_.width(soon.column);
    const Block& of = soon.column > 0 ? block : next;
    constexpr int64_t kSize = sizeof(float);
    interleaved_.c_lines = {LinePrefetch(c_.data + of.row * c_.stride + soon.column, of.rows,
                                         c_.stride * kSize, width * kSize),
                            slots};
    if (b_.packed) {
      const int64_t bytes = of.depth * Panels::padded_width(width) * Panels::kBytes;
      interleaved_.b_lines = {LinePrefetch(b_.packed_at(soon.column, soon.k), 1, 0, bytes), slots};
      return;
    }
    const PanelPlace then = after(soon, next);
    if (then.k < size_.K)
      interleaved_.b_lines = {
          lines(from(b_.side, then.column, then.k), b_.width(then.column), depth_at(then.k)),
          slots};
  }

  void multiply_column(const Block& block, int64_t column, const Block& next) {
    interleaved_.b_panel.work().finish();
    const unsigned char* panel_b = b_.packed ? b_.packed_at(column, block.k) : own_b_[current_b_];
    prepare_column(block, column, next);
    const bool last = column + Panels::kNR >= size_.N;
    for (int64_t panel = 0; panel < block.panels; ++panel) {
      if (ready_ == panel) {
        pack_a_panel(block, panel).finish();
        ++ready_;
      }
      const int64_t row = block.row + panel * Panels::kMR, rows = block.rows_of(panel);
      const KRange needed = needed_k(size_, row, rows, column);
      const KRange here = clip_k<Panels>(needed, block.k, block.depth);
      if (here.begin >= here.end) continue;
      // Memory of panels that this block does not need any more belongs to the next one.
      const int64_t slots = slots_of(here.end - here.begin);
      if (ready_ < block.panels)
        prepare_a_panel(block, ready_++, slots);
      else if (last && next_ready_ < smaller_of(panel, next.panels))
        prepare_a_panel(next, next_ready_++, slots);
      const int64_t width = b_.width(column);
      multiply_panels<float>(
          a_panel_at(panel) + here.begin * Panels::padded_width(rows) * Panels::kBytes,
          panel_b + here.begin * Panels::padded_width(width) * Panels::kBytes,
          (here.end - here.begin) / kTileDepth, c_.data + row * c_.stride + column, c_.stride, rows,
          width, into_ == Into::kAdd || block.k > needed.begin, interleaved_);
    }
  }

  const GemmShape size_;
  const F32Operand a_;
  const PanelsB<Panels> b_;
  const MutF32 c_;
  const Into into_;
  const Blocking step_;
  unsigned char* packed_a_;
  unsigned char* own_b_[2];  // the panel of B in use and the next one
  const bool prefetches_;    // whether more is read than is in the caches anyway
  InterleavedWork interleaved_;
  int current_b_ = 0;
  int64_t ready_ = 0, next_ready_ = 0;  // panels of this block and the next that are packed
};

}  // namespace

void multiply_f32(GemmShape size, GemmOperand<float> a, GemmOperand<float> b, PackedB packed_b,
                  MutF32 c, Into into, unsigned char* workspace) {
  const TilesConfigured tiles;
  F32Gemm(size, a, b, packed_b, c, into, workspace).run();
}

int64_t workspace_bytes_f32(GemmShape most) {
  return blocks_bytes<Panels>(most, /*panels=*/2);
}

int64_t packed_bytes_f32(int64_t N, int64_t K) {
  return packed_bytes<Panels>(N, K);
}

void pack_b_columns_f32(GemmOperand<float> b, int64_t first, int64_t last, int64_t /*N*/, int64_t K,
                        unsigned char* to) {
  for (int64_t column = first; column < last; column += Panels::kNR)
    PanelPacking(from(b, column, 0), TileOf::kB, smaller_of(Panels::kNR, last - column), K,
                 to + column * padded_k<Panels>(K) * Panels::kBytes)
        .finish();
}

}  // namespace GPT_ISA
}  // namespace gpt
