// To bfloat16, to nearest even, without an instruction for it; a NaN keeps its sign and stays one.
#pragma once

#include "simd_avx512.h"

namespace gpt {
namespace GPT_ISA {
namespace {

inline __m512i rounded_bits(VecF32 x) {  // in the upper halves
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i up = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7FFF)), odd);
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_mask_or_epi32(up, nan, bits, _mm512_set1_epi32(0x400000));
}

inline __m256i narrow(VecF32 x) {
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded_bits(x), 16));
}

inline void store(Bf16* to, VecF32 x, FullMask) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), narrow(x));
}
inline void store(Bf16* to, VecF32 x, PrefixMask mask) {
  _mm256_mask_storeu_epi16(to, mask.bits, narrow(x));
}

// What a load after the store would give.
inline VecF32 round_to_bf16(VecF32 x) {
  return _mm512_castsi512_ps(
      _mm512_and_si512(rounded_bits(x), _mm512_set1_epi32(static_cast<int>(0xFFFF0000u))));
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
