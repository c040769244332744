// bfloat16: rounding to it, and products of pairs, by lanes and by tiles.
#pragma once
#pragma GCC system_header

#include "lanes.h"

namespace emulated_x86 {

inline float widened(std::uint16_t x) {
  std::uint32_t bits = std::uint32_t{x} << 16;
  if ((bits & 0x7F800000u) == 0) bits &= 0x80000000u;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
// To nearest even; denormals become 0, a NaN a quiet one.
inline std::uint16_t rounded_lane(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7F800000u) == 0) return static_cast<std::uint16_t>(bits >> 16 & 0x8000u);
  if (value != value) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}
inline __m256i rounded(const __m512& a) {
  const auto x = lanes<float>(a);
  return each<__m256i, std::uint16_t>([&](int i) { return rounded_lane(x.lane[i]); });
}

inline __m512 add_pairs(const __m512& sum, const __m512& a, const __m512& b) {
  const auto s = lanes<float>(sum);
  const auto x = lanes<std::uint16_t>(a), y = lanes<std::uint16_t>(b);
  return each<__m512, float>([&](int i) {
    const float odd = s.lane[i] + widened(x.lane[2 * i + 1]) * widened(y.lane[2 * i + 1]);
    return odd + widened(x.lane[2 * i]) * widened(y.lane[2 * i]);
  });
}

// A thread's tiles: 16 rows of 64 bytes each, which is the only shape that is configured.
struct Tiles {
  bool configured = false;
  unsigned char bytes[8][16][64];

  unsigned char (&at(int tile))[16][64] {
    if (!configured) std::abort();  // an invalid instruction
    return bytes[tile];
  }
};
inline thread_local Tiles tiles;

inline void tile_load(int tile, const void* from, std::int64_t stride) {
  for (int row = 0; row < 16; ++row)
    std::memcpy(tiles.at(tile)[row], static_cast<const char*>(from) + row * stride, 64);
}
inline void tile_store(int tile, void* to, std::int64_t stride) {
  for (int row = 0; row < 16; ++row)
    std::memcpy(static_cast<char*>(to) + row * stride, tiles.at(tile)[row], 64);
}
inline void tile_zero(int tile) {
  std::memset(tiles.at(tile), 0, sizeof tiles.bytes[tile]);
}
// c[m][n] += sum over k of the two products of pairs a[m][k], b[k][n].
inline void tile_multiply(int c, int a, int b) {
  float left[16][32], right[16][32], sum[16][16];
  const auto widen_all = [](const unsigned char(&from)[16][64], float(&to)[16][32]) {
    std::uint16_t row[32];
    for (int i = 0; i < 16; ++i) {
      std::memcpy(row, from[i], sizeof row);
      for (int j = 0; j < 32; ++j) to[i][j] = widened(row[j]);
    }
  };
  widen_all(tiles.at(a), left);
  widen_all(tiles.at(b), right);
  std::memcpy(sum, tiles.at(c), sizeof sum);
  for (int m = 0; m < 16; ++m) {
    float pairs[32] = {};
    for (int k = 0; k < 16; ++k)
      for (int n = 0; n < 32; ++n) pairs[n] += left[m][2 * k + n % 2] * right[k][n];
    for (int n = 0; n < 16; ++n) sum[m][n] += pairs[2 * n] + pairs[2 * n + 1];
  }
  std::memcpy(tiles.at(c), sum, sizeof sum);
}

}  // namespace emulated_x86
