// Softmax of attention scores, and softmax with cross-entropy of logits.
#pragma once

#include "row_loops.h"
#include "simd_math.h"

namespace gpt {
namespace GPT_ISA {
namespace {

inline float largest(const float* x, int64_t size, int64_t capacity) {
  constexpr float kLeast = -__builtin_inff();
  VecF32 even = all(kLeast), odd = even;
  int64_t i = 0;
  for (; i + 2 * kLanes <= size; i += 2 * kLanes) {
    even = larger(even, load(x + i, FullMask{}));
    odd = larger(odd, load(x + i + kLanes, FullMask{}));
  }
  for (; i + kLanes <= size; i += kLanes) even = larger(even, load(x + i, FullMask{}));
  last_vector(i, size, capacity, [&](int64_t at, auto mask, auto kept) {
    odd = larger(odd, keep(load(x + at, mask), kept, kLeast));
  });
  return largest_lane(larger(even, odd));
}

// x -> exp(scale * x - shift); returns the sum. Beyond `size`, x is anything afterwards.
inline float exponentials(float* x, int64_t size, int64_t capacity, float scale, float shift) {
  return sum_over(size, capacity, [=](int64_t i, auto mask) {
    const VecF32 e = exponential(load(x + i, mask) * scale - shift);
    store(x + i, e, mask);
    return e;
  });
}

template <class T>
inline void store_zeros(T* to, int64_t size) {
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) store(to + i, VecF32{}, FullMask{});
  if (i < size) store(to + i, VecF32{}, PrefixMask(size - i));
}

// Stores a row of value(i, mask), with zeros up to `padded`.
template <class T, class Value>
inline void store_padded(T* to, int64_t size, int64_t padded, Value value) {
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) store(to + i, value(i, FullMask{}), FullMask{});
  last_vector(i, size, padded, [=](int64_t at, auto mask, auto kept) {
    store(to + at, keep(value(at, mask), kept, 0.0f), mask);
  });
  if (i < size) i += kLanes;
  if (i < padded) store_zeros(to + i, padded - i);
}

template <class T>
inline void store_scaled(const float* x, int64_t size, int64_t padded, float factor, T* to) {
  store_padded(to, size, padded, [=](int64_t i, auto mask) { return load(x + i, mask) * factor; });
}

float softmax(float* s, int64_t size, int64_t padded, float scale, Bf16* low) {
  const float top = largest(s, size, padded) * scale;
  const float sum = exponentials(s, size, padded, scale, top);
  if (low)
    store_scaled(s, size, padded, 1.0f / sum, low);
  else
    store_scaled(s, size, padded, 1.0f / sum, s);
  return top + __builtin_logf(sum);
}

// p: s itself, or bfloat16.
template <class P, class D>
inline void softmax_backward_to(float* s, float* dp, int64_t size, int64_t padded, float scale,
                                float lse, P* p, D* ds) {
  const float delta = sum_over(size, padded, [=](int64_t i, auto mask) {
    const VecF32 e = exponential(load(s + i, mask) * scale - lse);
    store(s + i, e, mask);
    return e * load(dp + i, mask);
  });
  store_padded(ds, size, padded, [=](int64_t i, auto mask) {
    return load(s + i, mask) * scale * (load(dp + i, mask) - delta);
  });
  if constexpr (sizeof(P) == sizeof(float))
    store_zeros(p + size, padded - size);
  else
    store_scaled(s, size, padded, 1.0f, p);
}

void softmax_backward(float* s, float* dp, int64_t size, int64_t padded, float scale, float lse,
                      Bf16* p_low, Bf16* ds_low) {
  if (p_low && ds_low)
    softmax_backward_to(s, dp, size, padded, scale, lse, p_low, ds_low);
  else if (ds_low)
    softmax_backward_to(s, dp, size, padded, scale, lse, s, ds_low);
  else
    softmax_backward_to(s, dp, size, padded, scale, lse, s, dp);
}

float cross_entropy(float* logits, int64_t size, int64_t target, float factor, Operand d) {
  const float top = largest(logits, size, size);
  const float wanted = logits[target];
  const float sum = exponentials(logits, size, size, 1.0f, top);
  const float loss = __builtin_logf(sum) - (wanted - top);
  logits[target] -= sum;
  with_target(d, [=](auto to) { store_scaled(logits, size, size, factor / sum, to); });
  return loss;
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
