// Functions of the SIMD vectors of GPT_SIMD, the simd_*.h of an instruction set: no branches, and
// nothing from the standard library, since an inline function compiled here with wide instructions
// must never be the copy that the linker keeps for all.
#pragma once

#include <stdint.h>

#include "gpt/kernels/cpu/row_kernels.h"

#include GPT_SIMD

namespace gpt {
namespace GPT_ISA {
namespace {

inline VecF32 all(float value) {
  return VecF32{} + value;
}

// exp(kScale * x) to about 1 ulp for results from 2^-126 to 2^127 and kScale a power of two:
// kScale * x = n ln 2 + r, |r| <= ln 2 / 2, and the polynomial of degree 6 that is 1 + r + ... with
// the least relative error (3e-9). NaN stays NaN. Where products are rounded on their own, n ln 2
// is taken in two parts; where they are not, ln 2 in float32 is off by 3e-9 of itself only.
template <float kScale>
inline VecF32 exponential_within(VecF32 x) {
  constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the integer in the low bits
  const VecF32 shifted = x * (kScale * kLog2E) + kRound;
  const VecF32 n = shifted - kRound;
  VecF32 r = x;  // over kScale
  if constexpr (kFused)
    r = x - n * (kLn2 / kScale);
  else
    r = (x - n * (kLn2High / kScale)) - n * (kLn2Low / kScale);
  constexpr float k1 = kScale, k2 = k1 * k1, k3 = k2 * k1, k4 = k2 * k2, k5 = k4 * k1, k6 = k4 * k2;
  VecF32 p = all(1.38146e-3f * k6);
  p = p * r + 8.36871e-3f * k5;
  p = p * r + 4.166839e-2f * k4;
  p = p * r + 0.16666521f * k3;
  p = p * r + 0.49999993f * k2;
  p = p * r + k1;
  p = p * r + 1.0f;
  return times_power(p, n, shifted);
}

// exp(x) for x <= 88; below -87.3 as there, 1.2e-38.
inline VecF32 exponential(VecF32 x) {
  return exponential_within<1.0f>(larger(all(-87.3f), x));
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
