// Exponential and error function for the loops of vector_*.h, written so that g++ vectorises them:
// no branches, no library calls, and nothing from the standard library, since an inline function
// compiled here with wide instructions must never be the copy that the linker keeps for all.
#pragma once

#include <stdint.h>

#include "gpt/kernels/vector_kernels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

inline float from_bits(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t to_bits(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float widen(Bf16 value) {
  return from_bits(static_cast<uint32_t>(value) << 16);
}

// To nearest even; a NaN keeps its sign and stays one.
inline Bf16 narrow(float value) {
  const uint32_t bits = to_bits(value);
  const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<Bf16>(value != value ? (bits >> 16) | 0x40u : rounded);
}

// exp(x) to about 1 ulp: x = n ln 2 + r, |r| <= ln 2 / 2, and the Taylor series of degree 6 (its
// remainder is 1.2e-7 of the result at the ends of the interval, halved by the fitted last term).
// Below -87.3 the result is 0 instead of a denormal, above 88.7 infinity; NaN stays NaN.
inline float exponential(float x) {
  constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the integer in the low bits
  float bounded = x < -87.3f ? -87.3f : x;
  bounded = bounded > 88.7f ? 88.7f : bounded;
  const float shifted = bounded * kLog2E + kRound;
  const float n = shifted - kRound;
  const float r = (bounded - n * kLn2High) - n * kLn2Low;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  // Two factors, since 2^128 is no float.
  const int32_t power = static_cast<int32_t>(to_bits(shifted)) - 0x4B400000;
  const int32_t half = power >> 1;
  const float scaled = p * from_bits(static_cast<uint32_t>(half + 127) << 23) *
                       from_bits(static_cast<uint32_t>(power - half + 127) << 23);
  return x < -87.3f ? 0.0f : (x > 88.7f ? from_bits(0x7F800000u) : scaled);
}

// The normal distribution at x: density and Phi(-|x|) = erfc(|x| / sqrt 2) / 2, both from one
// exponential. erfc(z) exp(z^2) is a polynomial in s = 1 / (1 + p z), as in Abramowitz and Stegun
// 7.1.26, here of degree 8 and fitted for relative error (1e-7).
struct Normal {
  float density, tail;
};

inline Normal normal(float x) {
  const float size = x < 0.0f ? -x : x;
  const float e = exponential(-0.5f * x * x);
  const float s = 1.0f / (1.0f + 0.3275911f * 0.70710678f * size);
  float p = -0.1420813103f;
  p = p * s + 0.5006861488f;
  p = p * s - 0.4128498631f;
  p = p * s + 0.4597094801f;
  p = p * s + 0.02194623883f;
  p = p * s + 0.2069748292f;
  p = p * s + 0.1805492204f;
  p = p * s + 0.1850653545f;
  return {0.398942280f * e, 0.5f * e * p * s};
}

// tanh(x) and its derivative, 4 e^-2x / (1 + e^-2x)^2 rather than the small difference 1 - tanh^2.
struct Tanh {
  float value, slope;
};

inline Tanh tangent_hyperbolic(float x) {
  const float e = exponential(-2.0f * (x < 0.0f ? -x : x));
  const float inverse = 1.0f / (1.0f + e), t = (1.0f - e) * inverse;
  return {x < 0.0f ? -t : t, 4.0f * e * inverse * inverse};
}

// Where a kernel's result goes.
struct ToF32 {
  float* to;
  void operator()(int64_t i, float value) const { to[i] = value; }
};
struct ToBf16 {
  Bf16* to;
  void operator()(int64_t i, float value) const { to[i] = narrow(value); }
};

template <class Body>
inline void with_store(Operand to, Body body) {
  if (to.f32)
    body(ToF32{to.f32});
  else if (to.bf16)
    body(ToBf16{to.bf16});
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
