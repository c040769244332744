// The microkernel of the tile instructions: Intel SDM volume 1, chapter 18.
//
// A product of float32 is the six largest of nine products of bfloat16: with a = a1 + a2 + a3 and b
// likewise (tile_pack.h), what is left away, a2 b3 + a3 b2 + a3 b3, is at most 2^-23 of a b and on
// average far less, as the parts are rounded to nearest. The tiles add in float32.
#pragma once

#include "tile_pack.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Tiles 0-3 are of C, 4 and 5 of A, 6 and 7 of B.
template <int tiles>
inline void load_a(const unsigned char* from) {
  _tile_loadd(4, from, 64);
  if constexpr (tiles == 2) _tile_loadd(5, from + kTileBytes, 64);
}
template <int tiles>
inline void load_b(const unsigned char* from) {
  _tile_loadd(6, from, 64);
  if constexpr (tiles == 2) _tile_loadd(7, from + kTileBytes, 64);
}

template <int down, int across>
inline void accumulate() {
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (across == 2) _tile_dpbf16ps(1, 4, 7);
  if constexpr (down == 2) _tile_dpbf16ps(2, 5, 6);
  if constexpr (down == 2 && across == 2) _tile_dpbf16ps(3, 5, 7);
}

// Calls of `between` in a block of 32 k: one after each accumulate.
template <class T>
constexpr int64_t kBetweenABlock = kParts<T> == 3 ? 6 : 1;

template <class T, int down, int across, class Between>
inline void accumulate_block(const unsigned char* a, const unsigned char* b, Between& between) {
  constexpr int64_t a_step = down * kTileBytes, b_step = across * kTileBytes;
  const auto sum = [&] {
    accumulate<down, across>();
    between();
  };
  if constexpr (kParts<T> == 1) {
    load_a<down>(a);
    load_b<across>(b);
    sum();
  } else {
    load_a<down>(a + 2 * a_step);
    load_b<across>(b);
    sum();
    load_a<down>(a + a_step);
    sum();
    load_b<across>(b + b_step);
    sum();
    load_a<down>(a);
    sum();
    load_b<across>(b + 2 * b_step);
    sum();
    load_b<across>(b);
    sum();
  }
}

// C, of `down` by `across` tiles, = or += the product of a panel of A and one of B, of `blocks` of
// 32 k.
template <class T, int down, int across, class Between>
void multiply_tiles(const unsigned char* a, const unsigned char* b, int64_t blocks, float* c,
                    int64_t stride, bool add, Between& between) {
  const auto bytes = stride * static_cast<int64_t>(sizeof(float));
  asm volatile("" ::: "memory");  // g++ 12's tile loads and stores do not name what they touch
  if (add) {
    _tile_loadd(0, c, bytes);
    if constexpr (across == 2) _tile_loadd(1, c + 16, bytes);
    if constexpr (down == 2) _tile_loadd(2, c + 16 * stride, bytes);
    if constexpr (down == 2 && across == 2) _tile_loadd(3, c + 16 * stride + 16, bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t block = 0; block < blocks; ++block) {
    accumulate_block<T, down, across>(a, b, between);
    a += kParts<T> * down * kTileBytes;
    b += kParts<T> * across * kTileBytes;
  }
  _tile_stored(0, c, bytes);
  if constexpr (across == 2) _tile_stored(1, c + 16, bytes);
  if constexpr (down == 2) _tile_stored(2, c + 16 * stride, bytes);
  if constexpr (down == 2 && across == 2) _tile_stored(3, c + 16 * stride + 16, bytes);
  asm volatile("" ::: "memory");
}

// The same for a C of any rows and columns up to 32.
template <class T, class Between>
void multiply_panels(const unsigned char* a, const unsigned char* b, int64_t blocks, float* c,
                     int64_t stride, int64_t rows, int64_t columns, bool add, Between& between) {
  using Multiply = void (*)(const unsigned char*, const unsigned char*, int64_t, float*, int64_t,
                            bool, Between&);
  static constexpr Multiply kinds[2][2] = {
      {multiply_tiles<T, 1, 1, Between>, multiply_tiles<T, 1, 2, Between>},
      {multiply_tiles<T, 2, 1, Between>, multiply_tiles<T, 2, 2, Between>}};
  const Multiply kind = kinds[rows > kTileRows][columns > kTileRows];
  if (rows % kTileRows == 0 && columns % kTileRows == 0)
    return kind(a, b, blocks, c, stride, add, between);
  constexpr int64_t kEdge = 2 * kTileRows;
  alignas(64) float edge[kEdge * kEdge];
  kind(a, b, blocks, edge, kEdge, false, between);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      float& to = c[i * stride + j];
      to = edge[i * kEdge + j] + (add ? to : 0.0f);
    }
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
