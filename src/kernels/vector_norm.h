// LayerNorm of a row, forward and backward.
#pragma once

#include "vector_math.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Two passes, as the row is in the first cache: the variance of small differences, not the
// difference of large squares.
void norm(const float* x, const float* gamma, const float* beta, int64_t width, float* stats,
          Operand y) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < width; ++i) sum += x[i];
  const float mean = sum / static_cast<float>(width);
  float squares = 0;
#pragma omp simd reduction(+ : squares)
  for (int64_t i = 0; i < width; ++i) squares += (x[i] - mean) * (x[i] - mean);
  const float rstd = 1.0f / __builtin_sqrtf(squares / static_cast<float>(width) + 1e-5f);
  stats[0] = mean;
  stats[1] = rstd;
  with_store(y, [=](auto store) {
    if (beta) {
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) store(i, (x[i] - mean) * rstd * gamma[i] + beta[i]);
    } else {
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) store(i, (x[i] - mean) * rstd * gamma[i]);
    }
  });
}

// With g = dy * gamma: dx = rstd * (g - mean(g) - xhat * mean(g * xhat)).
void norm_backward(const float* dy, const float* x, const float* stats, const float* gamma,
                   int64_t width, float* dx, float* dgamma, float* dbeta) {
  const float mean = stats[0], rstd = stats[1];
  float sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
  for (int64_t i = 0; i < width; ++i) {
    const float g = dy[i] * gamma[i];
    sum += g;
    product += g * (x[i] - mean);
  }
  const float n = static_cast<float>(width);
  const float mean_g = sum / n, mean_gx = product * rstd / n;
#pragma omp simd
  for (int64_t i = 0; i < width; ++i) {
    const float xhat = (x[i] - mean) * rstd;
    dgamma[i] += dy[i] * xhat;
    dx[i] += rstd * (dy[i] * gamma[i] - mean_g - xhat * mean_gx);
  }
  if (dbeta) {
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) dbeta[i] += dy[i];
  }
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
