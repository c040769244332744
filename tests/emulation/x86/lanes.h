// Vectors as their lanes, for immintrin.h next to this.
#pragma once
#pragma GCC system_header

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
template <class Lane, class Vector>
void store(void* to, std::uint32_t mask, const Vector& x) {
  const auto all = lanes<Lane>(x);
  for (int i = 0; i < static_cast<int>(std::size(all.lane)); ++i)
    if (mask >> i & 1)
      std::memcpy(static_cast<char*>(to) + i * sizeof(Lane), &all.lane[i], sizeof(Lane));
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

}  // namespace emulated_x86
