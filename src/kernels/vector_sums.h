// Sums, copies and the optimizer's update.
#pragma once

#include "vector_math.h"

namespace gpt {
namespace GPT_ISA {
namespace {

float dot(const float* a, const float* b, int64_t size) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

void add(float* to, const float* from, int64_t size) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) to[i] += from[i];
}

void add_bf16(float* to, const Bf16* from, int64_t size) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) to[i] += widen(from[i]);
}

void add3(const float* a, const float* b, const float* bias, int64_t size, float* sum) {
  if (bias) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) sum[i] = a[i] + (b[i] + bias[i]);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) sum[i] = a[i] + b[i];
  }
}

void to_operand(const float* from, int64_t size, Operand to) {
  with_store(to, [=](auto store) {
#pragma omp simd
    for (int64_t i = 0; i < size; ++i) store(i, from[i]);
  });
}

// Pieces of 4096 in float32, their sum in float64: as exact as float64 throughout, at twice its
// speed.
double sum_of_squares(const float* x, int64_t size) {
  double sum = 0;
  for (int64_t begin = 0; begin < size; begin += 4096) {
    const int64_t end = begin + 4096 < size ? begin + 4096 : size;
    float part = 0;
#pragma omp simd reduction(+ : part)
    for (int64_t i = begin; i < end; ++i) part += x[i] * x[i];
    sum += static_cast<double>(part);
  }
  return sum;
}

// Loshchilov and Hutter 2019, algorithm 2, in the order of PyTorch's fused kernel.
void adamw(float* p, const float* g, float* m, float* v, int64_t size, AdamWStep step) {
  const float keep = 1.0f - step.learning_rate * step.weight_decay;
  const float step_size = step.learning_rate / step.correction1;
  const float inverse_root = 1.0f / step.correction2_root;
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) {
    const float gradient = g[i] * step.gradient_scale;
    const float mean = m[i] + (1.0f - step.beta1) * (gradient - m[i]);
    const float square = step.beta2 * v[i] + (1.0f - step.beta2) * gradient * gradient;
    m[i] = mean;
    v[i] = square;
    p[i] = p[i] * keep - step_size * mean / (__builtin_sqrtf(square) * inverse_root + step.epsilon);
  }
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
