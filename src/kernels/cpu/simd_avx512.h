// A vector of the loops in vector_*.h for AVX-512; rounding to bfloat16 is in round_*.h.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "gpt/kernels/cpu/row_kernels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

typedef float Floats __attribute__((vector_size(64)));
constexpr int64_t kLanes = 16;
constexpr bool kFused = true;  // a * b + c is rounded once

// Which lanes a piece of a row fills.
struct All {};
struct First {
  __mmask16 mask;
  explicit First(int64_t count) : mask(static_cast<__mmask16>((1u << count) - 1u)) {}
};

// Lanes that are not there are 0.
inline Floats load(const float* from, All) {
  return _mm512_loadu_ps(from);
}
inline Floats load(const float* from, First some) {
  return _mm512_maskz_loadu_ps(some.mask, from);
}

inline Floats widen(__m256i halves) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}
inline Floats load(const Bf16* from, All) {
  return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
inline Floats load(const Bf16* from, First some) {
  return widen(_mm256_maskz_loadu_epi16(some.mask, from));
}

inline void store(float* to, Floats x, All) {
  _mm512_storeu_ps(to, x);
}
inline void store(float* to, Floats x, First some) {
  _mm512_mask_storeu_ps(to, some.mask, x);
}

// `other` in the lanes that are not there.
inline Floats keep(Floats x, All, float) {
  return x;
}
inline Floats keep(Floats x, First some, float other) {
  return _mm512_mask_mov_ps(_mm512_set1_ps(other), some.mask, x);
}

inline Floats absolute(Floats x) {
  return _mm512_abs_ps(x);
}

// NaN if b is.
inline Floats larger(Floats a, Floats b) {
  return _mm512_max_ps(a, b);
}
inline Floats smaller(Floats a, Floats b) {
  return _mm512_min_ps(a, b);
}

inline Floats reciprocal(Floats x) {
  return 1.0f / x;
}

// x 2^n for whole n of [-126, 127]; shifted is n + 1.5 * 2^23.
inline Floats times_power(Floats x, Floats n, Floats) {
  return _mm512_scalef_ps(x, n);
}

inline float sum_of_lanes(Floats x) {
  return _mm512_reduce_add_ps(x);
}
inline float largest_lane(Floats x) {
  return _mm512_reduce_max_ps(x);
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
