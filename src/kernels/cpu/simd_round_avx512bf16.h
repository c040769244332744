// To bfloat16, to nearest even, by AVX512-BF16's instruction: the same bits as without it, but that
// denormals become 0. A NaN stays one.
#pragma once

#include "simd_avx512.h"

namespace gpt {
namespace GPT_ISA {
namespace {

inline __m256i narrow(Floats x) {
  const __m256bh halves = _mm512_cvtneps_pbh(x);
  __m256i bits;
  __builtin_memcpy(&bits, &halves, sizeof bits);
  return bits;
}

inline void store(Bf16* to, Floats x, All) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), narrow(x));
}
inline void store(Bf16* to, Floats x, First some) {
  _mm256_mask_storeu_epi16(to, some.mask, narrow(x));
}

// What a load after the store would give.
inline Floats through_bf16(Floats x) {
  return widen(narrow(x));
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
