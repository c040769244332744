// A vector of the loops in vector_*.h for any processor: four lanes, which g++ makes of what there
// is.
#pragma once

#include <stdint.h>

#include "gpt/kernels/cpu/row_kernels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

typedef float Floats __attribute__((vector_size(16)));
typedef uint32_t Words __attribute__((vector_size(16)));
typedef uint16_t Halves __attribute__((vector_size(8)));
constexpr int64_t kLanes = 4;
constexpr bool kFused = false;  // a * b + c is rounded once

// Which lanes a piece of a row fills.
struct All {
  static constexpr int64_t count = kLanes;
};
struct First {
  int64_t count;
  explicit First(int64_t size) : count(size) {}
};

// Lanes that are not there are 0.
inline Floats load(const float* from, auto some) {
  Floats x{};
  for (int64_t lane = 0; lane < some.count; ++lane) x[lane] = from[lane];
  return x;
}
inline Floats load(const float* from, All) {
  Floats x;
  __builtin_memcpy(&x, from, sizeof x);
  return x;
}

inline Floats load(const Bf16* from, auto some) {
  Halves halves{};
  for (int64_t lane = 0; lane < some.count; ++lane) halves[lane] = from[lane];
  return reinterpret_cast<Floats>(__builtin_convertvector(halves, Words) << 16);
}

inline void store(float* to, Floats x, auto some) {
  for (int64_t lane = 0; lane < some.count; ++lane) to[lane] = x[lane];
}
inline void store(float* to, Floats x, All) {
  __builtin_memcpy(to, &x, sizeof x);
}

// To bfloat16, to nearest even, in the upper halves; a NaN keeps its sign and stays one.
inline Words rounded_words(Floats x) {
  const Words bits = reinterpret_cast<Words>(x);
  return x != x ? bits | 0x400000u : bits + 0x7FFFu + ((bits >> 16) & 1u);
}
inline void store(Bf16* to, Floats x, auto some) {
  const Halves halves = __builtin_convertvector(rounded_words(x) >> 16, Halves);
  for (int64_t lane = 0; lane < some.count; ++lane) to[lane] = halves[lane];
}
// What a load after the store would give.
inline Floats through_bf16(Floats x) {
  return reinterpret_cast<Floats>(rounded_words(x) & 0xFFFF0000u);
}

// `other` in the lanes that are not there.
inline Floats keep(Floats x, auto some, float other) {
  for (int64_t lane = some.count; lane < kLanes; ++lane) x[lane] = other;
  return x;
}

inline Floats absolute(Floats x) {
  return reinterpret_cast<Floats>(reinterpret_cast<Words>(x) & 0x7FFFFFFFu);
}

// NaN if b is.
inline Floats larger(Floats a, Floats b) {
  return a > b ? a : b;
}
inline Floats smaller(Floats a, Floats b) {
  return a < b ? a : b;
}

inline Floats reciprocal(Floats x) {
  return 1.0f / x;
}

// x 2^n for whole n of [-126, 127]; shifted is n + 1.5 * 2^23.
inline Floats times_power(Floats x, Floats, Floats shifted) {
  return x * reinterpret_cast<Floats>((reinterpret_cast<Words>(shifted) << 23) + 0x3F800000u);
}

inline float sum_of_lanes(Floats x) {
  return (x[0] + x[1]) + (x[2] + x[3]);
}
inline float largest_lane(Floats x) {
  float top = x[0];
  for (int64_t lane = 1; lane < kLanes; ++lane) top = x[lane] > top ? x[lane] : top;
  return top;
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
