// Functions of a vector, as wide as lanes_*.h, included before, gives it: no branches, and nothing
// from the standard library, since an inline function compiled here with wide instructions must
// never be the copy that the linker keeps for all.
#pragma once

#include <stdint.h>

#include "gpt/kernels/cpu/row_kernels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

inline Floats all(float value) {
  return Floats{} + value;
}

// exp(kScale * x) to about 1 ulp for results from 2^-126 to 2^127 and kScale a power of two:
// kScale * x = n ln 2 + r, |r| <= ln 2 / 2, and the polynomial of degree 6 that is 1 + r + ... with
// the least relative error (3e-9). NaN stays NaN. Where products are rounded on their own, n ln 2
// is taken in two parts; where they are not, ln 2 in float32 is off by 3e-9 of itself only.
template <float kScale>
inline Floats exponential_within(Floats x) {
  constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the integer in the low bits
  const Floats shifted = x * (kScale * kLog2E) + kRound;
  const Floats n = shifted - kRound;
  Floats r = x;  // over kScale
  if constexpr (kFused)
    r = x - n * (kLn2 / kScale);
  else
    r = (x - n * (kLn2High / kScale)) - n * (kLn2Low / kScale);
  constexpr float k1 = kScale, k2 = k1 * k1, k3 = k2 * k1, k4 = k2 * k2, k5 = k4 * k1, k6 = k4 * k2;
  Floats p = all(1.38146e-3f * k6);
  p = p * r + 8.36871e-3f * k5;
  p = p * r + 4.166839e-2f * k4;
  p = p * r + 0.16666521f * k3;
  p = p * r + 0.49999993f * k2;
  p = p * r + k1;
  p = p * r + 1.0f;
  return times_power(p, n, shifted);
}

// exp(x) for x <= 88; below -87.3 as there, 1.2e-38.
inline Floats exponential(Floats x) {
  return exponential_within<1.0f>(larger(all(-87.3f), x));
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
