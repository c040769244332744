// GELU (Hendrycks and Gimpel 2016): x Phi(x), and OpenAI's form by tanh.
#pragma once

#include "vector_math.h"

namespace gpt {
namespace GPT_ISA {
namespace {

struct ExactGelu {
  static float value(float x) {
    const float tail = normal(x).tail;
    return x * (x < 0.0f ? tail : 1.0f - tail);
  }
  static float slope(float x) {
    const Normal n = normal(x);
    return (x < 0.0f ? n.tail : 1.0f - n.tail) + x * n.density;
  }
};

struct TanhGelu {
  static constexpr float kRoot = 0.797884561f, kCube = 0.044715f;  // sqrt(2 / pi)
  static float value(float x) {
    return 0.5f * x * (1.0f + tangent_hyperbolic(kRoot * (x + kCube * x * x * x)).value);
  }
  static float slope(float x) {
    const Tanh t = tangent_hyperbolic(kRoot * (x + kCube * x * x * x));
    return 0.5f * (1.0f + t.value) + 0.5f * x * t.slope * kRoot * (1.0f + 3.0f * kCube * x * x);
  }
};

template <class Kind>
void gelu_of(float* u, const float* bias, int64_t size, Operand kept, Operand y) {
  if (bias) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) u[i] += bias[i];
  }
  if (u) {
    with_store(kept, [=](auto store) {
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) store(i, u[i]);
    });
  }
  with_store(y, [=](auto store) {
    if (kept.bf16) {
      const Bf16* rounded = kept.bf16;
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) store(i, Kind::value(widen(rounded[i])));
    } else {
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) store(i, Kind::value(u[i]));
    }
  });
}

template <class Kind>
void gelu_backward_of(float* dy, const float* u, const Bf16* u_bf16, int64_t size, Operand du) {
  with_store(du, [=](auto store) {
    if (u) {
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) store(i, dy[i] * Kind::slope(u[i]));
    } else {
#pragma omp simd
      for (int64_t i = 0; i < size; ++i) store(i, dy[i] * Kind::slope(widen(u_bf16[i])));
    }
  });
}

void gelu(float* u, const float* bias, int64_t size, bool tanh, Operand kept, Operand y) {
  if (tanh)
    gelu_of<TanhGelu>(u, bias, size, kept, y);
  else
    gelu_of<ExactGelu>(u, bias, size, kept, y);
}

void gelu_backward(float* dy, const float* u, const Bf16* u_bf16, int64_t size, bool tanh,
                   Operand du) {
  if (tanh)
    gelu_backward_of<TanhGelu>(dy, u, u_bf16, size, du);
  else
    gelu_backward_of<ExactGelu>(dy, u, u_bf16, size, du);
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
