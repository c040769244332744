// GELU of a row, forward and backward: x Phi(x) (Hendrycks and Gimpel 2016), and OpenAI's form by
// tanh.
#pragma once

#include "row_loops.h"
#include "simd_math.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Phi(-z) = erfc(z / sqrt 2) / 2 from exp(-z^2 / 2): their ratio is a polynomial in s = 1 / (1 + p
// z), as in Abramowitz and Stegun 7.1.26, here of degree 8 and fitted for relative error (1e-7).
struct ExactGelu {
  // exp(-z^2 / 2) and Phi(-z) over it. From 13.2 on, where Phi is no float32 any more, z is that.
  struct Tail {
    VecF32 z, e, ratio;
  };
  static Tail tail(VecF32 x) {
    const VecF32 z = smaller(all(13.2f), absolute(x));
    const VecF32 s = reciprocal(1.0f + z * (0.3275911f * 0.70710678f));
    VecF32 p = all(-0.5f * 0.1420813103f);
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
  static VecF32 value(VecF32 x) {
    const Tail t = tail(x);
    return larger(all(0.0f), x) - t.z * t.e * t.ratio;
  }
  // Phi(x) + x phi(x), at -z: Phi(-z) - z phi(z), at z: 1 less that.
  static VecF32 slope(VecF32 x) {
    const Tail t = tail(x);
    const VecF32 below = t.e * (t.ratio - t.z * 0.398942280f);
    return x < 0.0f ? below : 1.0f - below;
  }
};

// (1 + tanh(v)) / 2 = 1 / (1 + exp(-2 v)), with v = sqrt(2 / pi) (x + 0.044715 x^3).
struct TanhGelu {
  static constexpr float kRoot = 0.797884561f, kCube = 0.044715f;
  struct Logistic {
    VecF32 value, slope;  // slope: over 2
  };
  static Logistic logistic(VecF32 x) {
    const VecF32 v = x * kRoot * (1.0f + kCube * x * x);
    const VecF32 e = exponential_within<-2.0f>(smaller(all(43.6f), absolute(v)));
    const VecF32 inverse = reciprocal(1.0f + e), less = e * inverse;
    return {x < 0.0f ? less : inverse, less * inverse};
  }
  static VecF32 value(VecF32 x) { return x * logistic(x).value; }
  static VecF32 slope(VecF32 x) {
    const Logistic l = logistic(x);
    return l.value + x * l.slope * (2.0f * kRoot + 6.0f * kRoot * kCube * x * x);
  }
};

template <class Kind, class Source>
inline void gelu_from(int64_t size, Operand y, Source x_at) {
  with_target(y, [=](auto to) {
    for_each_vector(size, [=](int64_t i, auto mask) {
      prefetch_ahead(to + i);
      store(to + i, Kind::value(x_at(i, mask)), mask);
    });
  });
}

template <class Kind>
void gelu_of(float* u, const float* bias, int64_t size, Bf16* kept, Operand y) {
  const auto biased = [=](int64_t i, auto mask) {
    prefetch_ahead(u + i);
    return bias ? load(u + i, mask) + load(bias + i, mask) : load(u + i, mask);
  };
  if (!kept)
    gelu_from<Kind>(size, y, [=](int64_t i, auto mask) {
      const VecF32 x = biased(i, mask);
      if (bias) store(u + i, x, mask);
      return x;
    });
  else if (u)
    gelu_from<Kind>(size, y, [=](int64_t i, auto mask) {
      const VecF32 x = biased(i, mask);
      prefetch_ahead(kept + i);
      store(kept + i, x, mask);
      return round_to_bf16(x);
    });
  else
    gelu_from<Kind>(size, y, [=](int64_t i, auto mask) {
      prefetch_ahead(kept + i);
      return load(kept + i, mask);
    });
}

template <class Kind, class U>
inline void gelu_backward_from(const float* dy, const U* u, int64_t size, Operand du) {
  with_target(du, [=](auto to) {
    for_each_vector(size, [=](int64_t i, auto mask) {
      prefetch_ahead(dy + i, u + i, to + i);
      store(to + i, load(dy + i, mask) * Kind::slope(load(u + i, mask)), mask);
    });
  });
}

template <class Kind>
void gelu_backward_of(const float* dy, const float* u, const Bf16* u_bf16, int64_t size,
                      Operand du) {
  if (u)
    gelu_backward_from<Kind>(dy, u, size, du);
  else
    gelu_backward_from<Kind>(dy, u_bf16, size, du);
}

void gelu(float* u, const float* bias, int64_t size, bool tanh, Bf16* kept, Operand y) {
  if (tanh)
    gelu_of<TanhGelu>(u, bias, size, kept, y);
  else
    gelu_of<ExactGelu>(u, bias, size, kept, y);
}

void gelu_backward(const float* dy, const float* u, const Bf16* u_bf16, int64_t size, bool tanh,
                   Operand du) {
  if (tanh)
    gelu_backward_of<TanhGelu>(dy, u, u_bf16, size, du);
  else
    gelu_backward_of<ExactGelu>(dy, u, u_bf16, size, du);
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
