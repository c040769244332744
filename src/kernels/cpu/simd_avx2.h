// A vector of the loops in vector_*.h for AVX2 and FMA; rounding to bfloat16 is in
// simd_round_avx2.h.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "gpt/kernels/cpu/row_kernels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

typedef float Floats __attribute__((vector_size(32)));
constexpr int64_t kLanes = 8;
constexpr bool kFused = true;  // a * b + c is rounded once

// Which lanes a piece of a row fills.
struct All {};
struct First {
  int64_t count;
  __m256i mask;
  explicit First(int64_t size)
      : count(size),
        mask(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(size)),
                                _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))) {}
};

// Lanes that are not there are 0.
inline Floats load(const float* from, All) {
  return _mm256_loadu_ps(from);
}
inline Floats load(const float* from, First some) {
  return _mm256_maskload_ps(from, some.mask);
}

inline Floats widen(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
inline Floats load(const Bf16* from, All) {
  return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
inline Floats load(const Bf16* from, First some) {
  Bf16 part[kLanes] = {};
  for (int64_t lane = 0; lane < some.count; ++lane) part[lane] = from[lane];
  return load(part, All{});
}

inline void store(float* to, Floats x, All) {
  _mm256_storeu_ps(to, x);
}
inline void store(float* to, Floats x, First some) {
  _mm256_maskstore_ps(to, some.mask, x);
}

// `other` in the lanes that are not there.
inline Floats keep(Floats x, All, float) {
  return x;
}
inline Floats keep(Floats x, First some, float other) {
  return _mm256_blendv_ps(_mm256_set1_ps(other), x, _mm256_castsi256_ps(some.mask));
}

inline Floats absolute(Floats x) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

// NaN if b is.
inline Floats larger(Floats a, Floats b) {
  return _mm256_max_ps(a, b);
}
inline Floats smaller(Floats a, Floats b) {
  return _mm256_min_ps(a, b);
}

inline Floats reciprocal(Floats x) {
  return 1.0f / x;
}

// x 2^n for whole n of [-126, 127]; shifted is n + 1.5 * 2^23.
inline Floats times_power(Floats x, Floats, Floats shifted) {
  const __m256i power = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return x * Floats(_mm256_castsi256_ps(_mm256_add_epi32(power, _mm256_set1_epi32(0x3F800000))));
}

inline __m128 halves_of(Floats x, __m128 (*join)(__m128, __m128)) {
  const __m128 four = join(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = join(four, _mm_movehl_ps(four, four));
  return join(two, _mm_movehdup_ps(two));
}
inline float sum_of_lanes(Floats x) {
  return _mm_cvtss_f32(halves_of(x, [](__m128 a, __m128 b) { return _mm_add_ps(a, b); }));
}
inline float largest_lane(Floats x) {
  return _mm_cvtss_f32(halves_of(x, [](__m128 a, __m128 b) { return _mm_max_ps(a, b); }));
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
