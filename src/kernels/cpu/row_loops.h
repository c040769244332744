// Loops over a row by the SIMD vectors of GPT_SIMD, the simd_*.h of an instruction set.
#pragma once

#include <stdint.h>

#include "gpt/kernels/cpu/row_kernels.h"

#include GPT_SIMD

namespace gpt {
namespace GPT_ISA {
namespace {

// Prefetches what comes later in arrays that do not fit the second cache, of which a kernel sees
// one row. Past the end of an array this does nothing.
template <class... T>
inline void prefetch_ahead(const T*... at) {
  constexpr int64_t kAhead = 1024;  // elements
  (__builtin_prefetch(at + kAhead), ...);
}

// Calls body(i, mask) for every vector of a row; the mask of the last may be a prefix.
template <class Body>
inline void for_each_vector(int64_t size, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) body(i, FullMask{});
  if (i < size) body(i, PrefixMask(size - i));
}

// The same for the last vector of a row in an array of `capacity` elements: body(i, mask, kept) may
// touch all lanes of `mask`, of which those of `kept` hold the row. A load from the first cache
// waits for a store of fewer lanes before it, so wider masks are faster.
template <class Body>
inline void last_vector(int64_t i, int64_t size, int64_t capacity, Body body) {
  if (i >= size) return;
  if (i + kLanes <= capacity)
    body(i, FullMask{}, PrefixMask(size - i));
  else
    body(i, PrefixMask(capacity - i), PrefixMask(size - i));
}

// Sums over a row: body(i, mask, kept, sum) adds to `count` of them at once. Several of each are
// under way, since an addition takes four cycles.
template <int count>
struct Sums {
  VecF32 of[count] = {};
};

template <int count, class Body>
inline Sums<count> sums_over(int64_t size, int64_t capacity, Body body) {
  constexpr int64_t kStep = 2 * kLanes;
  Sums<count> a, b, c, d;
  int64_t i = 0;
  for (; i + 2 * kStep <= size; i += 2 * kStep) {
    body(i, FullMask{}, FullMask{}, a.of);
    body(i + kLanes, FullMask{}, FullMask{}, b.of);
    body(i + kStep, FullMask{}, FullMask{}, c.of);
    body(i + kStep + kLanes, FullMask{}, FullMask{}, d.of);
  }
  for (; i + kLanes <= size; i += kLanes) body(i, FullMask{}, FullMask{}, a.of);
  last_vector(i, size, capacity,
              [&](int64_t at, auto mask, auto kept) { body(at, mask, kept, b.of); });
  for (int k = 0; k < count; ++k) a.of[k] = (a.of[k] + b.of[k]) + (c.of[k] + d.of[k]);
  return a;
}

// The sum of term(i, mask) over the lanes that are kept.
template <class Term>
inline float sum_over(int64_t size, int64_t capacity, Term term) {
  return sum_of_lanes(
      sums_over<1>(size, capacity, [=](int64_t i, auto mask, auto kept, VecF32(&sum)[1]) {
        sum[0] += keep(term(i, mask), kept, 0.0f);
      }).of[0]);
}
template <class Term>
inline float sum_over(int64_t size, Term term) {
  return sum_over(size, size, term);
}

// Calls body with the pointer that a kernel's result goes to.
template <class Body>
inline void with_target(Operand to, Body body) {
  if (to.f32)
    body(to.f32);
  else if (to.bf16)
    body(to.bf16);
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
