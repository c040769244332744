// A panel of a float32 matrix as tiles (tile_pack.h), made piece by piece.
#pragma once

#include "tile_quarter.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// The packing of a panel of up to 32 rows (or columns): for each 32 k, for each part, one or two
// tiles.
class PanelPacking {
 public:
  PanelPacking() = default;
  // The side from the panel's first element on.
  PanelPacking(const F32Side& side, TileOf which, int64_t count, int64_t depth, unsigned char* to)
      : side_(side),
        which_(which),
        count_(count),
        depth_(depth),
        to_(to),
        tiles_(count > kTileRows ? 2 : 1),
        left_(4 * tiles_ * pieces_of(depth, kTileDepth)) {}

  int64_t left() const { return left_; }

  __attribute__((noinline)) void do_next() {
    if (left_ == 0) return;
    pack_quarter(from(side_, tile_ * kTileRows, k_), which_, quarter_, count_ - tile_ * kTileRows,
                 depth_ - k_, to_ + tile_ * kTileBytes, tiles_ * kTileBytes);
    --left_;
    if (++quarter_ < 4) return;
    quarter_ = 0;
    if (++tile_ < tiles_) return;
    tile_ = 0;
    k_ += kTileDepth;
    to_ += tiles_ * kParts<float> * kTileBytes;
  }
  void finish() {
    while (left_ > 0) do_next();
  }

 private:
  F32Side side_{};
  TileOf which_ = TileOf::kLeft;
  int64_t count_ = 0, depth_ = 0;
  unsigned char* to_ = nullptr;
  int64_t tiles_ = 1, left_ = 0, quarter_ = 0, tile_ = 0, k_ = 0;
};

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
