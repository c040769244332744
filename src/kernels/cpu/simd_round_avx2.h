// To bfloat16, to nearest even; a NaN keeps its sign and stays one.
#pragma once

#include "simd_avx2.h"

namespace gpt {
namespace GPT_ISA {
namespace {

inline __m256i rounded_words(Floats x) {  // in the upper halves
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7FFF)), odd);
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  return _mm256_blendv_epi8(up, quiet, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
}
inline __m128i narrow(Floats x) {
  const __m256i words = _mm256_srli_epi32(rounded_words(x), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
inline void store(Bf16* to, Floats x, All) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), narrow(x));
}
inline void store(Bf16* to, Floats x, First some) {
  Bf16 part[kLanes];
  store(part, x, All{});
  for (int64_t lane = 0; lane < some.count; ++lane) to[lane] = part[lane];
}
// What a load after the store would give.
inline Floats through_bf16(Floats x) {
  return _mm256_castsi256_ps(
      _mm256_and_si256(rounded_words(x), _mm256_set1_epi32(static_cast<int>(0xFFFF0000u))));
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
