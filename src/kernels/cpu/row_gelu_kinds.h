// GELU (Hendrycks and Gimpel 2016) and its slope: x Phi(x), and OpenAI's form by tanh.
#pragma once

#include "simd_math.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Phi(-z) = erfc(z / sqrt 2) / 2 from exp(-z^2 / 2): their ratio is a polynomial in s = 1 / (1 + p
// z), as in Abramowitz and Stegun 7.1.26, here of degree 8 and fitted for relative error (1e-7).
struct ExactGelu {
  // exp(-z^2 / 2) and Phi(-z) over it. From 13.2 on, where Phi is no float32 any more, z is that.
  struct Tail {
    Floats z, e, ratio;
  };
  static Tail tail(Floats x) {
    const Floats z = smaller(all(13.2f), absolute(x));
    const Floats s = reciprocal(1.0f + z * (0.3275911f * 0.70710678f));
    Floats p = all(-0.5f * 0.1420813103f);
    p = p * s + 0.5f * 0.5006861488f;
    p = p * s - 0.5f * 0.4128498631f;
    p = p * s + 0.5f * 0.4597094801f;
    p = p * s + 0.5f * 0.02194623883f;
    p = p * s + 0.5f * 0.2069748292f;
    p = p * s + 0.5f * 0.1805492204f;
    p = p * s + 0.5f * 0.1850653545f;
    return {z, exponential_within<-0.5f>(z * z), p * s};
  }
  // x Phi(x), at -z: -z Phi(-z), at z: z less that.
  static Floats value(Floats x) {
    const Tail t = tail(x);
    return larger(all(0.0f), x) - t.z * t.e * t.ratio;
  }
  // Phi(x) + x phi(x), at -z: Phi(-z) - z phi(z), at z: 1 less that.
  static Floats slope(Floats x) {
    const Tail t = tail(x);
    const Floats below = t.e * (t.ratio - t.z * 0.398942280f);
    return x < 0.0f ? below : 1.0f - below;
  }
};

// (1 + tanh(v)) / 2 = 1 / (1 + exp(-2 v)), with v = sqrt(2 / pi) (x + 0.044715 x^3).
struct TanhGelu {
  static constexpr float kRoot = 0.797884561f, kCube = 0.044715f;
  struct Logistic {
    Floats value, slope;  // slope: over 2
  };
  static Logistic logistic(Floats x) {
    const Floats v = x * kRoot * (1.0f + kCube * x * x);
    const Floats e = exponential_within<-2.0f>(smaller(all(43.6f), absolute(v)));
    const Floats inverse = reciprocal(1.0f + e), less = e * inverse;
    return {x < 0.0f ? less : inverse, less * inverse};
  }
  static Floats value(Floats x) { return x * logistic(x).value; }
  static Floats slope(Floats x) {
    const Logistic l = logistic(x);
    return l.value + x * l.slope * (2.0f * kRoot + 6.0f * kRoot * kCube * x * x);
  }
};

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
