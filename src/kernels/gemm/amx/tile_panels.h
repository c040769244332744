// The panels of the tile microkernel, two tiles wide each, and the tile unit's configuration.
#pragma once

#include "kernels/gemm/blocking.h"
#include "tile_pack.h"

namespace gpt {
namespace GPT_ISA {
namespace {

template <class T>
struct TilePanels {
  using Element = T;
  static constexpr int64_t kMR = 2 * kTileRows, kNR = 2 * kTileRows, kKUnit = kTileDepth;
  static constexpr int64_t kBytes = 2 * kParts<T>;
  // A packed block of A is to stay in the second cache (2 MiB) together with what passes by.
  static constexpr int64_t kMC = 512, kKC = kParts<T> == 3 ? 384 : 768, kBlockElements = kMC * kKC;

  static int64_t panel_columns(int64_t left) { return smaller_of(kNR, left); }
  static int64_t panel_at(int64_t column, int64_t /*columns*/) { return column; }
  static int64_t padded_width(int64_t count) { return count > kTileRows ? kNR : kTileRows; }
};

// While one lives, the tiles of its thread are of 16 rows of 64 bytes.
class TilesConfigured {
 public:
  TilesConfigured() {
    const Shapes shapes;
    _tile_loadconfig(&shapes);
  }
  ~TilesConfigured() { _tile_release(); }
  TilesConfigured(const TilesConfigured&) = delete;
  TilesConfigured& operator=(const TilesConfigured&) = delete;

 private:
  struct alignas(64) Shapes {
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t bytes_a_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  };
};

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
