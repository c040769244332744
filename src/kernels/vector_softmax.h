// Softmax of attention scores, and softmax with cross-entropy of logits.
#pragma once

#include "vector_math.h"

namespace gpt {
namespace GPT_ISA {
namespace {

inline float largest(const float* x, int64_t size) {
  float top = x[0];
#pragma omp simd reduction(max : top)
  for (int64_t i = 0; i < size; ++i) top = x[i] > top ? x[i] : top;
  return top;
}

// x -> exp(scale * x - shift); returns the sum.
inline float exponentials(float* x, int64_t size, float scale, float shift) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < size; ++i) {
    const float e = exponential(x[i] * scale - shift);
    x[i] = e;
    sum += e;
  }
  return sum;
}

float softmax(float* s, int64_t size, float scale) {
  const float top = largest(s, size) * scale;
  const float sum = exponentials(s, size, scale, top);
  const float inverse = 1.0f / sum;
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) s[i] *= inverse;
  return top + __builtin_logf(sum);
}

void softmax_again(float* s, int64_t size, float scale, float lse) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) s[i] = exponential(s[i] * scale - lse);
}

void softmax_backward(float* dp, const float* p, int64_t size, float scale, float delta) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) dp[i] = scale * p[i] * (dp[i] - delta);
}

float cross_entropy(float* logits, int64_t size, int64_t target, float factor, Operand d) {
  const float top = largest(logits, size);
  const float wanted = logits[target];
  const float sum = exponentials(logits, size, 1.0f, top);
  const float loss = __builtin_logf(sum) - (wanted - top);
  const float scale = factor / sum;
  logits[target] -= sum;
  with_store(d, [=](auto store) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) store(i, logits[i] * scale);
  });
  return loss;
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
