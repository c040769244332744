// LayerNorm of a row, forward and backward.
#pragma once

#include "row_loops.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Two passes, as the row is in the first cache: the variance of small differences, not the
// difference of large squares.
void norm(const float* x, const float* gamma, const float* beta, int64_t width, float* stats,
          Operand y) {
  const float n = static_cast<float>(width);
  const float sum = sum_over(width, [=](int64_t i, auto lanes) {
    fetch_ahead(x + i);
    return load(x + i, lanes);
  });
  const float mean = sum / n;
  const float squares = sum_over(width, [=](int64_t i, auto lanes) {
    const Floats apart = load(x + i, lanes) - mean;
    return apart * apart;
  });
  const float rstd = 1.0f / __builtin_sqrtf(squares / n + 1e-5f);
  stats[0] = mean;
  stats[1] = rstd;
  with_target(y, [=](auto to) {
    if (beta) {
      each_vector(width, [=](int64_t i, auto lanes) {
        fetch_ahead(to + i);
        const Floats xhat = (load(x + i, lanes) - mean) * rstd;
        store(to + i, xhat * load(gamma + i, lanes) + load(beta + i, lanes), lanes);
      });
    } else {
      each_vector(width, [=](int64_t i, auto lanes) {
        fetch_ahead(to + i);
        store(to + i, (load(x + i, lanes) - mean) * rstd * load(gamma + i, lanes), lanes);
      });
    }
  });
}

// With g = dy * gamma: dx = rstd * (g - mean(g) - xhat * mean(g * xhat)).
void norm_backward(const float* dy, const float* x, const float* stats, const float* gamma,
                   int64_t width, float* dx, float* dgamma, float* dbeta) {
  const float mean = stats[0], rstd = stats[1];
  const Sums<2> sums =
      sums_over<2>(width, width, [=](int64_t i, auto lanes, auto, Floats(&sum)[2]) {
        fetch_ahead(dy + i, x + i, dx + i);
        const Floats g = load(dy + i, lanes) * load(gamma + i, lanes);
        sum[0] += g;
        sum[1] += g * (load(x + i, lanes) - mean);
      });
  const float n = static_cast<float>(width);
  const float mean_g = sum_of_lanes(sums.of[0]) / n, mean_gx = sum_of_lanes(sums.of[1]) * rstd / n;
  each_vector(width, [=](int64_t i, auto lanes) {
    const Floats up = load(dy + i, lanes), xhat = (load(x + i, lanes) - mean) * rstd;
    const Floats g = up * load(gamma + i, lanes);
    store(dgamma + i, load(dgamma + i, lanes) + up * xhat, lanes);
    store(dx + i, load(dx + i, lanes) + rstd * (g - mean_g - xhat * mean_gx), lanes);
    if (dbeta) store(dbeta + i, load(dbeta + i, lanes) + up, lanes);
  });
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
