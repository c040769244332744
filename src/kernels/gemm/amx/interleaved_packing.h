// Interleaved packing: panels of float32 matrices are packed into tiles (tile_pack.h) between the
// instructions that multiply other tiles. These take 16 cycles each in a unit of their own; the
// rest of the core is free meanwhile, for work that comes in small pieces. Measured: up to some
// hundred instructions after every fourth product of tiles cost nothing; a few times as many in one
// piece cost their full time, since they fill the window in which the core looks ahead.
#pragma once

#include "kernels/gemm/blocking.h"
#include "tile_pack.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Which matrix a tile is of. Rows of a tile of A are rows of A, and its columns k-groups; rows of a
// tile of B are k-groups, and its columns columns of B. So, by where k runs in memory, one of the
// two has to be transposed.
enum class TileOf { kA, kB };

using F32Operand = GemmOperand<float>;

// Turns column c of 16 rows of four k-groups into x[c]; row(i) is row i.
template <class Row>
inline void four_columns(Row row, __m512i (&x)[4]) {
  __m512i y[4];
  for (int r = 0; r < 4; ++r) {  // quarter q of y[r]: row 4 q + r
    y[r] = _mm512_castsi128_si512(row(r));
    y[r] = _mm512_mask_broadcast_i32x4(y[r], 0x00F0, row(4 + r));
    y[r] = _mm512_mask_broadcast_i32x4(y[r], 0x0F00, row(8 + r));
    y[r] = _mm512_mask_broadcast_i32x4(y[r], 0xF000, row(12 + r));
  }
  const __m512i a = _mm512_unpacklo_epi32(y[0], y[1]), b = _mm512_unpackhi_epi32(y[0], y[1]);
  const __m512i c = _mm512_unpacklo_epi32(y[2], y[3]), d = _mm512_unpackhi_epi32(y[2], y[3]);
  x[0] = _mm512_unpacklo_epi64(a, c);
  x[1] = _mm512_unpackhi_epi64(a, c);
  x[2] = _mm512_unpacklo_epi64(b, d);
  x[3] = _mm512_unpackhi_epi64(b, d);
}

// The same for the first four columns of 16 rows of a matrix that has `rows` rows and `columns`
// columns there; the others count as zeros.
inline void four_columns(const float* data, int64_t stride, int64_t rows, int64_t columns,
                         __m512i (&x)[4]) {
  if (rows >= 16 && columns >= 4)
    return four_columns(
        [=](int64_t i) {
          return _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + i * stride));
        },
        x);
  const auto there = static_cast<__mmask8>(first_bits(columns, 16) & 0xFu);
  four_columns(
      [=](int64_t i) {
        return i < rows ? _mm_maskz_loadu_epi32(there, data + i * stride) : _mm_setzero_si128();
      },
      x);
}

// Packs rows [4 quarter, 4 quarter + 4) of a tile whose first element is the operand's, of which
// (count, depth) elements are there. Part p goes to `to` + p * step.
inline void pack_quarter(const F32Operand& side, TileOf which, int64_t quarter, int64_t count,
                         int64_t depth, unsigned char* to, int64_t step) {
  const int64_t first = 4 * quarter;
  to += 64 * first;
  const auto store = [&](const KGroups<3>& groups) {
    for (int part = 0; part < 3; ++part) _mm512_store_si512(to + part * step, groups.part[part]);
    to += 64;
  };
  if (side.k_contiguous == (which == TileOf::kB)) {
    // The tile's rows are columns in memory; k and k + 16 make a k-group.
    const int64_t rows = side.k_contiguous ? count : depth,
                  columns = (side.k_contiguous ? depth : count) - first;
    const float* data = side.data + first;
    __m512i u[4], v[4];
    four_columns(data, side.stride, rows, columns, u);
    if (side.k_contiguous)
      four_columns(data + 16, side.stride, rows, columns - 16, v);
    else
      four_columns(data + 16 * side.stride, side.stride, rows - 16, columns, v);
    for (int i = 0; i < 4; ++i)
      store(split_bf16(_mm512_castsi512_ps(u[i]), _mm512_castsi512_ps(v[i])));
  } else {
    for (int64_t row = first; row < first + 4; ++row)
      if (side.k_contiguous)
        store(along_row(side.data + row * side.stride, row < count ? depth : 0));
      else
        store(across_rows(side.data, side.stride, row, depth, count));
  }
}

// The packing of a panel of up to 32 rows of A (or columns of B), a quarter of a tile at a time:
// for each 32 k, for each part, one or two tiles.
class PanelPacking {
 public:
  PanelPacking() = default;
  // The operand from the panel's first element on.
  PanelPacking(const F32Operand& side, TileOf which, int64_t count, int64_t depth,
               unsigned char* to)
      : side_(side),
        which_(which),
        count_(count),
        depth_(depth),
        to_(to),
        tiles_(count > kTileRows ? 2 : 1),
        remaining_(4 * tiles_ * ceil_div(depth, kTileDepth)) {}

  int64_t remaining() const { return remaining_; }

  __attribute__((noinline)) void do_piece() {
    if (remaining_ == 0) return;
    pack_quarter(from(side_, tile_ * kTileRows, k_), which_, quarter_, count_ - tile_ * kTileRows,
                 depth_ - k_, to_ + tile_ * kTileBytes, tiles_ * kTileBytes);
    --remaining_;
    if (++quarter_ < 4) return;
    quarter_ = 0;
    if (++tile_ < tiles_) return;
    tile_ = 0;
    k_ += kTileDepth;
    to_ += tiles_ * kParts<float> * kTileBytes;
  }
  void finish() {
    while (remaining_ > 0) do_piece();
  }

 private:
  F32Operand side_{};
  TileOf which_ = TileOf::kA;
  int64_t count_ = 0, depth_ = 0;
  unsigned char* to_ = nullptr;
  int64_t tiles_ = 1, remaining_ = 0, quarter_ = 0, tile_ = 0, k_ = 0;
};

// Cache lines to be prefetched.
class LinePrefetch {
 public:
  LinePrefetch() = default;
  LinePrefetch(const void* data, int64_t rows, int64_t stride_bytes, int64_t row_bytes)
      : at_(static_cast<const char*>(data)),
        stride_(stride_bytes),
        rows_(rows),
        lines_(ceil_div(row_bytes, 64)) {}

  int64_t remaining() const { return rows_ * lines_ - line_; }
  void do_piece() {
    if (rows_ == 0) return;
    __builtin_prefetch(at_ + 64 * line_, 0, 2);
    if (++line_ < lines_) return;
    line_ = 0;
    at_ += stride_;
    --rows_;
  }

 private:
  const char* at_ = nullptr;
  int64_t stride_ = 0, rows_ = 0, lines_ = 0, line_ = 0;
};

// Spreads work in equal pieces evenly over a number of slots, after which all of it is done. The
// schedule error is by how many pieces (in fixed point) the work lags behind, as in Bresenham's
// line algorithm.
template <class Work>
class EvenSchedule {
 public:
  EvenSchedule() = default;
  EvenSchedule(const Work& work, int64_t slots)
      : work_(work), step_(((work.remaining() << kBits) + slots - 1) / slots) {}

  void next_slot() {
    for (schedule_error_ += step_; schedule_error_ >= kOne; schedule_error_ -= kOne)
      work_.do_piece();
  }
  Work& work() { return work_; }

 private:
  static constexpr int kBits = 20;
  static constexpr int64_t kOne = int64_t{1} << kBits;
  Work work_;
  int64_t step_ = 0, schedule_error_ = 0;
};

// What runs between the tile instructions of a panel: the packing of the next panels of A and B,
// and the prefetching of what is packed after them and of the lines of C.
struct InterleavedWork {
  EvenSchedule<PanelPacking> a_panel, b_panel;
  EvenSchedule<LinePrefetch> a_lines, b_lines, c_lines;

  void operator()() {
    asm volatile("" ::: "memory");  // the compiler must not move the work elsewhere
    a_panel.next_slot();
    b_panel.next_slot();
    a_lines.next_slot();
    b_lines.next_slot();
    c_lines.next_slot();
    asm volatile("" ::: "memory");
  }
};

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
