// Stands in for the AVX-512 and AMX instructions that src/kernels uses, on a CPU with AVX2: so that
// what is written with them is tested everywhere. What each does is in Intel's Software Developer's
// Manual, volume 2; bfloat16 products flush denormals and round to nearest, as there.
#pragma once
#pragma GCC system_header

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include_next <immintrin.h>
#include <iterator>

namespace emulated_x86 {

template <class Lane, int count>
struct Lanes {
  Lane lane[count];
};

// The lanes of a vector.
template <class Lane, class Vector>
Lanes<Lane, sizeof(Vector) / sizeof(Lane)> lanes(const Vector& x) {
  Lanes<Lane, sizeof(Vector) / sizeof(Lane)> y;
  std::memcpy(&y, &x, sizeof y);
  return y;
}

template <class Vector, class Values>
Vector vector(const Values& x) {
  static_assert(sizeof(Vector) == sizeof(Values));
  Vector y;
  std::memcpy(static_cast<void*>(&y), &x, sizeof y);
  return y;
}

// A vector whose lane i is value(i).
template <class Vector, class Lane, class Value>
Vector each(Value value) {
  Lanes<Lane, sizeof(Vector) / sizeof(Lane)> y;
  for (int i = 0; i < static_cast<int>(std::size(y.lane)); ++i) y.lane[i] = value(i);
  return vector<Vector>(y);
}

// Of memory, only the lanes of the mask are touched.
template <class Vector, class Lane>
Vector load(std::uint32_t mask, const void* from) {
  return each<Vector, Lane>([=](int i) {
    Lane x{};
    if (mask >> i & 1)
      std::memcpy(&x, static_cast<const char*>(from) + i * sizeof(Lane), sizeof(Lane));
    return x;
  });
}
inline void store(void* to, std::uint32_t mask, const __m512& x) {
  const auto all = lanes<float>(x);
  for (int i = 0; i < 16; ++i)
    if (mask >> i & 1) std::memcpy(static_cast<char*>(to) + 4 * i, &all.lane[i], 4);
}
inline void store_aligned(void* to, const __m512i& x) {
  if (reinterpret_cast<std::uintptr_t>(to) % 64 != 0) std::abort();
  std::memcpy(to, &x, sizeof x);
}

template <class Lane, class Vector, class Of>
Vector map(const Vector& a, Of of) {
  const auto x = lanes<Lane>(a);
  return each<Vector, Lane>([&](int i) { return of(x.lane[i]); });
}
template <class Lane, class Vector, class Of>
Vector map(const Vector& a, const Vector& b, Of of) {
  const auto x = lanes<Lane>(a), y = lanes<Lane>(b);
  return each<Vector, Lane>([&](int i) { return of(x.lane[i], y.lane[i]); });
}
template <class Lane, class Vector>
Vector blend(const Vector& kept, std::uint32_t mask, const Vector& a) {
  const auto x = lanes<Lane>(kept), y = lanes<Lane>(a);
  return each<Vector, Lane>([&](int i) { return mask >> i & 1 ? y.lane[i] : x.lane[i]; });
}

// In every quarter, the lower (high: upper) halves of a and b in turns.
template <class Lane>
__m512i unpack(const __m512i& a, const __m512i& b, bool high) {
  constexpr int kQuarter = 16 / sizeof(Lane);
  const auto x = lanes<Lane>(a), y = lanes<Lane>(b);
  return each<__m512i, Lane>([&](int i) {
    const int from = i / kQuarter * kQuarter + i % kQuarter / 2 + (high ? kQuarter / 2 : 0);
    return i % 2 == 0 ? x.lane[from] : y.lane[from];
  });
}
inline __m512i shuffle_quarters(const __m512i& a, const __m512i& b, int control) {
  const auto x = lanes<int>(a), y = lanes<int>(b);
  return each<__m512i, int>([&](int i) {
    const int from = 4 * (control >> (i / 4 * 2) & 3) + i % 4;
    return i < 8 ? x.lane[from] : y.lane[from];
  });
}
inline __m512i broadcast_quarter(const __m512i& kept, std::uint32_t mask, const __m128i& a) {
  const auto x = lanes<int>(a);
  return blend<int>(kept, mask, each<__m512i, int>([&](int i) { return x.lane[i % 4]; }));
}
inline __m512i widen(const __m256i& a) {
  const auto x = lanes<std::uint16_t>(a);
  return each<__m512i, std::uint32_t>([&](int i) { return x.lane[i]; });
}

// By halves of halves.
template <class Of>
float reduced(const __m512& a, Of of) {
  auto x = lanes<float>(a);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) x.lane[i] = of(x.lane[i], x.lane[i + half]);
  return x.lane[0];
}
inline float sum(const __m512& a) {
  return reduced(a, [](float x, float y) { return x + y; });
}
inline float largest(const __m512& a) {
  return reduced(a, [](float x, float y) { return x > y ? x : y; });
}

inline float widened(std::uint16_t x) {
  std::uint32_t bits = std::uint32_t{x} << 16;
  if ((bits & 0x7F800000u) == 0) bits &= 0x80000000u;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
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

#define GPT_X86 emulated_x86

#define _mm256_maskz_loadu_epi16 GPT_X86::load<__m256i, std::uint16_t>
#define _mm_maskz_loadu_epi32 GPT_X86::load<__m128i, std::uint32_t>
#define _mm512_maskz_loadu_epi16 GPT_X86::load<__m512i, std::uint16_t>
#define _mm512_maskz_loadu_ps GPT_X86::load<__m512, float>
#define _mm512_loadu_ps(from) GPT_X86::load<__m512, float>(0xFFFFu, from)
#define _mm512_storeu_ps(to, x) GPT_X86::store(to, 0xFFFFu, x)
#define _mm512_mask_storeu_ps GPT_X86::store
#define _mm512_store_si512 GPT_X86::store_aligned

#define _mm512_add_epi32(a, b) \
  GPT_X86::map<std::uint32_t>(a, b, [](std::uint32_t x, std::uint32_t y) { return x + y; })
#define _mm512_and_si512(a, b) \
  GPT_X86::map<std::uint32_t>(a, b, [](std::uint32_t x, std::uint32_t y) { return x & y; })
#define _mm512_or_si512(a, b) \
  GPT_X86::map<std::uint32_t>(a, b, [](std::uint32_t x, std::uint32_t y) { return x | y; })
#define _mm512_slli_epi32(a, n) \
  GPT_X86::map<std::uint32_t>(a, [](std::uint32_t x) { return x << (n); })
#define _mm512_srli_epi32(a, n) \
  GPT_X86::map<std::uint32_t>(a, [](std::uint32_t x) { return x >> (n); })
#define _mm512_sub_ps(a, b) GPT_X86::map<float>(a, b, [](float x, float y) { return x - y; })
#define _mm512_max_ps(a, b) \
  GPT_X86::map<float>(a, b, [](float x, float y) { return x > y ? x : y; })
#define _mm512_min_ps(a, b) \
  GPT_X86::map<float>(a, b, [](float x, float y) { return x < y ? x : y; })
#define _mm512_abs_ps(a) GPT_X86::map<float>(a, [](float x) { return std::fabs(x); })
#define _mm512_scalef_ps(a, b) \
  GPT_X86::map<float>(a, b, [](float x, float y) { return std::ldexp(x, static_cast<int>(y)); })
#define _mm512_reduce_add_ps GPT_X86::sum
#define _mm512_reduce_max_ps GPT_X86::largest
#define _mm512_set1_epi32(x) GPT_X86::each<__m512i, int>([&](int) { return x; })
#define _mm512_set1_ps(x) GPT_X86::each<__m512, float>([&](int) { return x; })
#define _mm512_mask_mov_epi16 GPT_X86::blend<std::uint16_t>
#define _mm512_mask_mov_ps GPT_X86::blend<float>

#define _mm512_castps_si512 GPT_X86::vector<__m512i>
#define _mm512_castsi512_ps GPT_X86::vector<__m512>
#define _mm512_castsi128_si512(a) \
  GPT_X86::broadcast_quarter(GPT_X86::each<__m512i, int>([](int) { return 0; }), 0xFu, a)
#define _mm512_cvtepu16_epi32 GPT_X86::widen
#define _mm512_unpacklo_epi32(a, b) GPT_X86::unpack<std::uint32_t>(a, b, false)
#define _mm512_unpackhi_epi32(a, b) GPT_X86::unpack<std::uint32_t>(a, b, true)
#define _mm512_unpacklo_epi64(a, b) GPT_X86::unpack<std::uint64_t>(a, b, false)
#define _mm512_unpackhi_epi64(a, b) GPT_X86::unpack<std::uint64_t>(a, b, true)
#define _mm512_shuffle_i32x4 GPT_X86::shuffle_quarters
#define _mm512_mask_broadcast_i32x4 GPT_X86::broadcast_quarter

#define __m512bh __m512
#define _mm512_dpbf16_ps GPT_X86::add_pairs

#undef _tile_loadd
#undef _tile_stored
#undef _tile_zero
#undef _tile_dpbf16ps
#define _tile_loadconfig(shapes) (GPT_X86::tiles.configured = true, static_cast<void>(shapes))
#define _tile_release() (GPT_X86::tiles.configured = false)
#define _tile_loadd GPT_X86::tile_load
#define _tile_stored GPT_X86::tile_store
#define _tile_zero GPT_X86::tile_zero
#define _tile_dpbf16ps GPT_X86::tile_multiply
