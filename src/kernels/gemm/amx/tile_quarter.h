// Tiles of float32 matrices (tile_pack.h) made a quarter at a time: little enough work to vanish
// beside the products of other tiles (interleaved_packing.h).
#pragma once

#include "kernels/gemm/packed_panels.h"
#include "tile_pack.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Rows of a tile of the left factor are rows of the matrix, and its columns words of k; rows of a
// tile of the right one are words of k, and its columns the matrix's. So, by where k runs in
// memory, one of the two has to be transposed.
enum class TileOf { kLeft, kRight };

using F32Side = ProductSide<float>;

// x[c] becomes column c of 16 rows of four words, row(i) being row i.
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

// The first four columns, of which `columns` are there, of 16 rows of a matrix, of which `rows`
// are.
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

// Rows [4 quarter, 4 quarter + 4) of a tile whose first element is the side's; of it (count, depth)
// elements are there. Part p goes to to + p * step.
inline void pack_quarter(const F32Side& side, TileOf which, int64_t quarter, int64_t count,
                         int64_t depth, unsigned char* to, int64_t step) {
  const int64_t first = 4 * quarter;
  to += 64 * first;
  const auto store = [&](const Words<3>& words) {
    for (int part = 0; part < 3; ++part) _mm512_store_si512(to + part * step, words.part[part]);
    to += 64;
  };
  if (side.along == (which == TileOf::kRight)) {
    // The tile's rows are columns in memory; k and k + 16 make a word.
    const int64_t rows = side.along ? count : depth, columns = (side.along ? depth : count) - first;
    const float* data = side.data + first;
    __m512i u[4], v[4];
    four_columns(data, side.stride, rows, columns, u);
    if (side.along)
      four_columns(data + 16, side.stride, rows, columns - 16, v);
    else
      four_columns(data + 16 * side.stride, side.stride, rows - 16, columns, v);
    for (int i = 0; i < 4; ++i)
      store(words_of(_mm512_castsi512_ps(u[i]), _mm512_castsi512_ps(v[i])));
  } else {
    for (int64_t row = first; row < first + 4; ++row)
      if (side.along)
        store(along_row(side.data + row * side.stride, row < count ? depth : 0));
      else
        store(across_rows(side.data, side.stride, row, depth, count));
  }
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
