// Instructions that move lanes of a vector or add them up.
#pragma once
#pragma GCC system_header

#include "lanes.h"

namespace emulated_x86 {

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

inline __m512i or_where(const __m512i& kept, std::uint32_t mask, const __m512i& a,
                        const __m512i& b) {
  return blend<std::uint32_t>(
      kept, mask, map<std::uint32_t>(a, b, [](std::uint32_t x, std::uint32_t y) { return x | y; }));
}
inline __m256i low_halves(const __m512i& a) {
  const auto x = lanes<std::uint32_t>(a);
  return each<__m256i, std::uint16_t>([&](int i) { return static_cast<std::uint16_t>(x.lane[i]); });
}
template <int kind>
__mmask16 unordered(const __m512& a, const __m512& b) {
  static_assert(kind == _CMP_UNORD_Q, "no other comparison is used");
  const auto x = lanes<float>(a), y = lanes<float>(b);
  unsigned mask = 0;
  for (int i = 0; i < 16; ++i) mask |= (x.lane[i] != x.lane[i] || y.lane[i] != y.lane[i]) << i;
  return static_cast<__mmask16>(mask);
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

}  // namespace emulated_x86
