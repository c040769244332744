// The running maximum and sum of exponentials of Milakov and Gimelshein, "Online normalizer
// calculation for softmax" (2018): one read of a row gives both. Shared by the CUDA kernel and a
// CPU test that plays its lanes.
#pragma once

#include <cmath>

#include "gpt/kernels/philox.h"

namespace gpt {

struct SoftmaxStats {
  float max;  // -inf while empty
  float sum;  // of exp(x - max)
};

GPT_HOST_DEVICE inline SoftmaxStats merge(SoftmaxStats a, SoftmaxStats b) {
  if (a.max < b.max) {
    const SoftmaxStats larger = b;
    b = a;
    a = larger;
  }
  // b.max = -inf gives exp(-inf) = 0, except when both are empty: keep that empty. A NaN on either
  // side must reach the sum, or a broken row would look healthy.
  if (b.sum == 0.0f) return a;
  return {a.max, a.sum + b.sum * expf(b.max - a.max)};
}

GPT_HOST_DEVICE inline SoftmaxStats include(SoftmaxStats stats, float x) {
  return merge(stats, {x, 1.0f});
}

}  // namespace gpt
