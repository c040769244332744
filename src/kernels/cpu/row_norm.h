// LayerNorm of a row, forward and backward.
#pragma once

#include "gpt/kernels/ops/layer_norm_epsilon.h"

#include "row_loops.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Two passes, as the row is in the first cache: the variance of small differences, not the
// difference of large squares.
void norm(const float* x, const float* gamma, const float* beta, int64_t width, float* stats,
          Operand y) {
  const float n = static_cast<float>(width);
  const float sum = sum_over(width, [=](int64_t i, auto mask) {
    prefetch_ahead(x + i);
    return load(x + i, mask);
  });
  const float mean = sum / n;
  const float squares = sum_over(width, [=](int64_t i, auto mask) {
    const VecF32 apart = load(x + i, mask) - mean;
    return apart * apart;
  });
  const float rstd = 1.0f / __builtin_sqrtf(squares / n + static_cast<float>(kLayerNormEpsilon));
  stats[0] = mean;
  stats[1] = rstd;
  with_target(y, [=](auto to) {
    if (beta) {
      for_each_vector(width, [=](int64_t i, auto mask) {
        prefetch_ahead(to + i);
        const VecF32 xhat = (load(x + i, mask) - mean) * rstd;
        store(to + i, xhat * load(gamma + i, mask) + load(beta + i, mask), mask);
      });
    } else {
      for_each_vector(width, [=](int64_t i, auto mask) {
        prefetch_ahead(to + i);
        store(to + i, (load(x + i, mask) - mean) * rstd * load(gamma + i, mask), mask);
      });
    }
  });
}

// With g = dy * gamma: dx = rstd * (g - mean(g) - xhat * mean(g * xhat)).
void norm_backward(const float* dy, const float* x, const float* stats, const float* gamma,
                   int64_t width, float* dx, float* dgamma, float* dbeta) {
  const float mean = stats[0], rstd = stats[1];
  const Sums<2> sums = sums_over<2>(width, width, [=](int64_t i, auto mask, auto, VecF32(&sum)[2]) {
    prefetch_ahead(dy + i, x + i, dx + i);
    const VecF32 g = load(dy + i, mask) * load(gamma + i, mask);
    sum[0] += g;
    sum[1] += g * (load(x + i, mask) - mean);
  });
  const float n = static_cast<float>(width);
  const float mean_g = sum_of_lanes(sums.of[0]) / n, mean_gx = sum_of_lanes(sums.of[1]) * rstd / n;
  for_each_vector(width, [=](int64_t i, auto mask) {
    const VecF32 up = load(dy + i, mask), xhat = (load(x + i, mask) - mean) * rstd;
    const VecF32 g = up * load(gamma + i, mask);
    store(dgamma + i, load(dgamma + i, mask) + up * xhat, mask);
    store(dx + i, load(dx + i, mask) + rstd * (g - mean_g - xhat * mean_gx), mask);
    if (dbeta) store(dbeta + i, load(dbeta + i, mask) + up, mask);
  });
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
