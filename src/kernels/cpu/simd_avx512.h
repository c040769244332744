// SIMD vectors for AVX-512; rounding to bfloat16 is in simd_round_avx512*.h.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "gpt/kernels/cpu/row_kernels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

typedef float VecF32 __attribute__((vector_size(64)));
constexpr int64_t kLanes = 16;
constexpr bool kFused = true;  // a * b + c is rounded once

// Masks of lanes: all of a vector, or the first `count`, as at the end of a row.
struct FullMask {};
struct PrefixMask {
  __mmask16 bits;
  explicit PrefixMask(int64_t count) : bits(static_cast<__mmask16>((1u << count) - 1u)) {}
};

// Lanes outside of the mask become 0.
inline VecF32 load(const float* from, FullMask) {
  return _mm512_loadu_ps(from);
}
inline VecF32 load(const float* from, PrefixMask mask) {
  return _mm512_maskz_loadu_ps(mask.bits, from);
}

inline VecF32 widen(__m256i halves) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}
inline VecF32 load(const Bf16* from, FullMask) {
  return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline VecF32 load(const Bf16* from, PrefixMask mask) {
  return widen(_mm256_maskz_loadu_epi16(mask.bits, from));
}

inline void store(float* to, VecF32 x, FullMask) {
  _mm512_storeu_ps(to, x);
}
inline void store(float* to, VecF32 x, PrefixMask mask) {
  _mm512_mask_storeu_ps(to, mask.bits, x);
}

// Puts `other` into the lanes outside of the mask.
inline VecF32 keep(VecF32 x, FullMask, float) {
  return x;
}
inline VecF32 keep(VecF32 x, PrefixMask mask, float other) {
  return _mm512_mask_mov_ps(_mm512_set1_ps(other), mask.bits, x);
}

inline VecF32 absolute(VecF32 x) {
  return _mm512_abs_ps(x);
}

// NaN if b is.
inline VecF32 larger(VecF32 a, VecF32 b) {
  return _mm512_max_ps(a, b);
}
inline VecF32 smaller(VecF32 a, VecF32 b) {
  return _mm512_min_ps(a, b);
}

inline VecF32 reciprocal(VecF32 x) {
  return 1.0f / x;
}

// x 2^n for whole n of [-126, 127]; shifted is n + 1.5 * 2^23.
inline VecF32 times_power(VecF32 x, VecF32 n, VecF32) {
  return _mm512_scalef_ps(x, n);
}

inline float sum_of_lanes(VecF32 x) {
  return _mm512_reduce_add_ps(x);
}
inline float largest_lane(VecF32 x) {
  return _mm512_reduce_max_ps(x);
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
