// The running maximum and sum of exponentials of Milakov and Gimelshein, "Online normalizer
// calculation for softmax" (2018): one read of a row gives both. Shared by the CUDA kernel and a
// CPU test that plays its lanes.
#pragma once

#include <math.h>

#include "gpt/kernels/ops/philox.h"

namespace gpt {

template <class Real>
struct SoftmaxStatsOf {
  Real max;  // -inf while empty
  Real sum;  // of exp(x - max)
};
using SoftmaxStats = SoftmaxStatsOf<float>;

template <class Real>
GPT_HOST_DEVICE inline SoftmaxStatsOf<Real> merge(SoftmaxStatsOf<Real> a, SoftmaxStatsOf<Real> b) {
  if (a.max < b.max) {
    const SoftmaxStatsOf<Real> larger = b;
    b = a;
    a = larger;
  }
  // b.max = -inf gives exp(-inf) = 0, except when both are empty: keep that empty. A NaN on either
  // side must reach the sum, or a broken row would look healthy.
  if (b.sum == Real(0)) return a;
  return {a.max, a.sum + b.sum * exp(b.max - a.max)};
}

template <class Real>
GPT_HOST_DEVICE inline SoftmaxStatsOf<Real> include(SoftmaxStatsOf<Real> stats, Real x) {
  return merge(stats, SoftmaxStatsOf<Real>{x, Real(1)});
}

}  // namespace gpt
