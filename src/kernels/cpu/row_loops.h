// Loops over a row, of vectors as wide as lanes_*.h, included before, gives them.
#pragma once

#include <stdint.h>

#include "gpt/kernels/cpu/row_kernels.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Asks for what comes later in arrays beyond the second cache, of which a kernel sees one row. Past
// the end of an array this does nothing.
template <class... T>
inline void fetch_ahead(const T*... at) {
  constexpr int64_t kAhead = 1024;  // elements
  (__builtin_prefetch(at + kAhead), ...);
}

// Calls body(i, lanes) for every vector of a row; the last may fill its first lanes only.
template <class Body>
inline void each_vector(int64_t size, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes) body(i, All{});
  if (i < size) body(i, First(size - i));
}

// The same for a row that has room for more: body(i, lanes, kept) may touch all of `lanes`, of
// which `kept` hold the row. In the first cache a load waits for a store of fewer lanes before it.
template <class Body>
inline void last_vector(int64_t i, int64_t size, int64_t room, Body body) {
  if (i >= size) return;
  if (i + kLanes <= room)
    body(i, All{}, First(size - i));
  else
    body(i, First(room - i), First(size - i));
}

// Sums over a row: body(i, lanes, kept, sum) adds to `count` of them at once. Several of each are
// under way, since an addition takes four cycles.
template <int count>
struct Sums {
  Floats of[count] = {};
};

template <int count, class Body>
inline Sums<count> sums_over(int64_t size, int64_t room, Body body) {
  constexpr int64_t kStep = 2 * kLanes;
  Sums<count> a, b, c, d;
  int64_t i = 0;
  for (; i + 2 * kStep <= size; i += 2 * kStep) {
    body(i, All{}, All{}, a.of);
    body(i + kLanes, All{}, All{}, b.of);
    body(i + kStep, All{}, All{}, c.of);
    body(i + kStep + kLanes, All{}, All{}, d.of);
  }
  for (; i + kLanes <= size; i += kLanes) body(i, All{}, All{}, a.of);
  last_vector(i, size, room,
              [&](int64_t at, auto lanes, auto kept) { body(at, lanes, kept, b.of); });
  for (int k = 0; k < count; ++k) a.of[k] = (a.of[k] + b.of[k]) + (c.of[k] + d.of[k]);
  return a;
}

// The sum of term(i, lanes) over the lanes that are kept.
template <class Term>
inline float sum_over(int64_t size, int64_t room, Term term) {
  return sum_of_lanes(
      sums_over<1>(size, room, [=](int64_t i, auto lanes, auto kept, Floats(&sum)[1]) {
        sum[0] += keep(term(i, lanes), kept, 0.0f);
      }).of[0]);
}
template <class Term>
inline float sum_over(int64_t size, Term term) {
  return sum_over(size, size, term);
}

// Where a kernel's result goes.
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
