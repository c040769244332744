// Panels of two tiles and two, as packed_panels.h wants them, and the tile unit's configuration.
#pragma once

#include "kernels/gemm/packed_panels.h"
#include "tile_pack.h"

namespace gpt {
namespace GPT_ISA {
namespace {

template <class T>
struct TilePanels {
  using Element = T;
  static constexpr int64_t kRows = 2 * kTileRows, kColumns = 2 * kTileRows, kDepth = kTileDepth;
  static constexpr int64_t kBytes = 2 * kParts<T>;
  // A packed block of a is to stay in the second cache (2 MiB) beside what passes by.
  static constexpr int64_t kRowBlock = 512, kDepthBlock = kParts<T> == 3 ? 384 : 768,
                           kBlock = kRowBlock * kDepthBlock;

  static int64_t panel_columns(int64_t left) { return least(kColumns, left); }
  static int64_t panel_at(int64_t column, int64_t /*columns*/) { return column; }
  static int64_t padded_width(int64_t count) { return count > kTileRows ? kColumns : kTileRows; }
};

// While it lives, this thread's tiles are of 16 rows of 64 bytes.
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
