// To bfloat16, to nearest even, by AVX512-BF16's instruction: the same bits as without it, but that
// denormals become 0. A NaN stays one.
#pragma once

#include "simd_avx512.h"

namespace gpt {
namespace GPT_ISA {
namespace {

inline __m256i narrow(VecF32 x) {
  const __m256bh halves = _mm512_cvtneps_pbh(x);
  __m256i bits;
  __builtin_memcpy(&bits, &halves, sizeof bits);
  return bits;
}

inline void store(Bf16* to, VecF32 x, FullMask) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), narrow(x));
}
inline void store(Bf16* to, VecF32 x, PrefixMask mask) {
  _mm256_mask_storeu_epi16(to, mask.bits, narrow(x));
}

// What a load after the store would give.
inline VecF32 round_to_bf16(VecF32 x) {
  return widen(narrow(x));
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
