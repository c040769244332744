// SIMD vectors for any processor: four lanes, for which g++ uses what there is.
#pragma once

#include <stdint.h>

#include "gpt/kernels/cpu/row_kernels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

typedef float VecF32 __attribute__((vector_size(16)));
typedef uint32_t VecU32 __attribute__((vector_size(16)));
typedef uint16_t VecU16 __attribute__((vector_size(8)));
constexpr int64_t kLanes = 4;
constexpr bool kFused = false;  // a * b + c is rounded once

// Masks of lanes: all of a vector, or the first `count`, as at the end of a row.
struct FullMask {
  static constexpr int64_t count = kLanes;
};
struct PrefixMask {
  int64_t count;
  explicit PrefixMask(int64_t size) : count(size) {}
};

// Lanes outside of the mask become 0.
inline VecF32 load(const float* from, auto mask) {
  VecF32 x{};
  for (int64_t lane = 0; lane < mask.count; ++lane) x[lane] = from[lane];
  return x;
}
inline VecF32 load(const float* from, FullMask) {
  VecF32 x;
  __builtin_memcpy(&x, from, sizeof x);
  return x;
}

inline VecF32 load(const Bf16* from, auto mask) {
  VecU16 halves{};
  for (int64_t lane = 0; lane < mask.count; ++lane) halves[lane] = from[lane];
  return reinterpret_cast<VecF32>(__builtin_convertvector(halves, VecU32) << 16);
}

inline void store(float* to, VecF32 x, auto mask) {
  for (int64_t lane = 0; lane < mask.count; ++lane) to[lane] = x[lane];
}
inline void store(float* to, VecF32 x, FullMask) {
  __builtin_memcpy(to, &x, sizeof x);
}

// To bfloat16, to nearest even, in the upper halves; a NaN keeps its sign and stays one.
inline VecU32 rounded_bits(VecF32 x) {
  const VecU32 bits = reinterpret_cast<VecU32>(x);
  return x != x ? bits | 0x400000u : bits + 0x7FFFu + ((bits >> 16) & 1u);
}
inline void store(Bf16* to, VecF32 x, auto mask) {
  const VecU16 halves = __builtin_convertvector(rounded_bits(x) >> 16, VecU16);
  for (int64_t lane = 0; lane < mask.count; ++lane) to[lane] = halves[lane];
}
// What a load after the store would give.
inline VecF32 round_to_bf16(VecF32 x) {
  return reinterpret_cast<VecF32>(rounded_bits(x) & 0xFFFF0000u);
}

// Puts `other` into the lanes outside of the mask.
inline VecF32 keep(VecF32 x, auto mask, float other) {
  for (int64_t lane = mask.count; lane < kLanes; ++lane) x[lane] = other;
  return x;
}

inline VecF32 absolute(VecF32 x) {
  return reinterpret_cast<VecF32>(reinterpret_cast<VecU32>(x) & 0x7FFFFFFFu);
}

// NaN if b is.
inline VecF32 larger(VecF32 a, VecF32 b) {
  return a > b ? a : b;
}
inline VecF32 smaller(VecF32 a, VecF32 b) {
  return a < b ? a : b;
}

inline VecF32 reciprocal(VecF32 x) {
  return 1.0f / x;
}

// x 2^n for whole n of [-126, 127]; shifted is n + 1.5 * 2^23.
inline VecF32 times_power(VecF32 x, VecF32, VecF32 shifted) {
  return x * reinterpret_cast<VecF32>((reinterpret_cast<VecU32>(shifted) << 23) + 0x3F800000u);
}

inline float sum_of_lanes(VecF32 x) {
  return (x[0] + x[1]) + (x[2] + x[3]);
}
inline float largest_lane(VecF32 x) {
  float top = x[0];
  for (int64_t lane = 1; lane < kLanes; ++lane) top = x[lane] > top ? x[lane] : top;
  return top;
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
