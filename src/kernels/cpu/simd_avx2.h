// SIMD vectors for AVX2 and FMA.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "gpt/kernels/cpu/row_kernels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

typedef float VecF32 __attribute__((vector_size(32)));
constexpr int64_t kLanes = 8;
constexpr bool kFused = true;  // a * b + c is rounded once

// Masks of lanes: all of a vector, or the first `count`, as at the end of a row.
struct FullMask {};
struct PrefixMask {
  int64_t count;
  __m256i bits;
  explicit PrefixMask(int64_t size)
      : count(size),
        bits(_mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(size)),
                                _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))) {}
};

// Lanes outside of the mask become 0.
inline VecF32 load(const float* from, FullMask) {
  return _mm256_loadu_ps(from);
}
inline VecF32 load(const float* from, PrefixMask mask) {
  return _mm256_maskload_ps(from, mask.bits);
}

inline VecF32 widen(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}
inline VecF32 load(const Bf16* from, FullMask) {
  return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
inline VecF32 load(const Bf16* from, PrefixMask mask) {
  Bf16 part[kLanes] = {};
  for (int64_t lane = 0; lane < mask.count; ++lane) part[lane] = from[lane];
  return load(part, FullMask{});
}

inline void store(float* to, VecF32 x, FullMask) {
  _mm256_storeu_ps(to, x);
}
inline void store(float* to, VecF32 x, PrefixMask mask) {
  _mm256_maskstore_ps(to, mask.bits, x);
}

// Puts `other` into the lanes outside of the mask.
inline VecF32 keep(VecF32 x, FullMask, float) {
  return x;
}
inline VecF32 keep(VecF32 x, PrefixMask mask, float other) {
  return _mm256_blendv_ps(_mm256_set1_ps(other), x, _mm256_castsi256_ps(mask.bits));
}

inline VecF32 absolute(VecF32 x) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

// NaN if b is.
inline VecF32 larger(VecF32 a, VecF32 b) {
  return _mm256_max_ps(a, b);
}
inline VecF32 smaller(VecF32 a, VecF32 b) {
  return _mm256_min_ps(a, b);
}

inline VecF32 reciprocal(VecF32 x) {
  return 1.0f / x;
}

// x 2^n for whole n of [-126, 127]; shifted is n + 1.5 * 2^23.
inline VecF32 times_power(VecF32 x, VecF32, VecF32 shifted) {
  const __m256i power = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return x * VecF32(_mm256_castsi256_ps(_mm256_add_epi32(power, _mm256_set1_epi32(0x3F800000))));
}

inline __m128 halves_of(VecF32 x, __m128 (*join)(__m128, __m128)) {
  const __m128 four = join(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = join(four, _mm_movehl_ps(four, four));
  return join(two, _mm_movehdup_ps(two));
}
inline float sum_of_lanes(VecF32 x) {
  return _mm_cvtss_f32(halves_of(x, [](__m128 a, __m128 b) { return _mm_add_ps(a, b); }));
}
inline float largest_lane(VecF32 x) {
  return _mm_cvtss_f32(halves_of(x, [](__m128 a, __m128 b) { return _mm_max_ps(a, b); }));
}

// Rounding to bfloat16, to nearest even; a NaN keeps its sign and stays one.
inline __m256i rounded_bits(VecF32 x) {  // in the upper halves
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  return _mm256_blendv_epi8(up, quiet, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
}
inline __m128i narrow(VecF32 x) {
  const __m256i bits = _mm256_srli_epi32(rounded_bits(x), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
}
inline void store(Bf16* to, VecF32 x, FullMask) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), narrow(x));
}
inline void store(Bf16* to, VecF32 x, PrefixMask mask) {
  Bf16 part[kLanes];
  store(part, x, FullMask{});
  for (int64_t lane = 0; lane < mask.count; ++lane) to[lane] = part[lane];
}
// What a load after the store would give.
inline VecF32 round_to_bf16(VecF32 x) {
  return _mm256_castsi256_ps(
      _mm256_and_si256(rounded_bits(x), _mm256_set1_epi32(static_cast<int>(0xFFFF0000u))));
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
