// GELU of a row, forward and backward.
#pragma once

#include "row_gelu_kinds.h"
#include "row_loops.h"

namespace gpt {
namespace GPT_ISA {
namespace {

template <class Kind, class Source>
inline void gelu_from(int64_t size, Operand y, Source x_at) {
  with_target(y, [=](auto to) {
    each_vector(size, [=](int64_t i, auto lanes) {
      fetch_ahead(to + i);
      store(to + i, Kind::value(x_at(i, lanes)), lanes);
    });
  });
}

template <class Kind>
void gelu_of(float* u, const float* bias, int64_t size, Bf16* kept, Operand y) {
  const auto biased = [=](int64_t i, auto lanes) {
    fetch_ahead(u + i);
    return bias ? load(u + i, lanes) + load(bias + i, lanes) : load(u + i, lanes);
  };
  if (!kept)
    gelu_from<Kind>(size, y, [=](int64_t i, auto lanes) {
      const Floats x = biased(i, lanes);
      if (bias) store(u + i, x, lanes);
      return x;
    });
  else if (u)
    gelu_from<Kind>(size, y, [=](int64_t i, auto lanes) {
      const Floats x = biased(i, lanes);
      fetch_ahead(kept + i);
      store(kept + i, x, lanes);
      return through_bf16(x);
    });
  else
    gelu_from<Kind>(size, y, [=](int64_t i, auto lanes) {
      fetch_ahead(kept + i);
      return load(kept + i, lanes);
    });
}

template <class Kind, class U>
inline void gelu_backward_from(const float* dy, const U* u, int64_t size, Operand du) {
  with_target(du, [=](auto to) {
    each_vector(size, [=](int64_t i, auto lanes) {
      fetch_ahead(dy + i, u + i, to + i);
      store(to + i, load(dy + i, lanes) * Kind::slope(load(u + i, lanes)), lanes);
    });
  });
}

template <class Kind>
void gelu_backward_of(const float* dy, const float* u, const Bf16* u_bf16, int64_t size,
                      Operand du) {
  if (u)
    gelu_backward_from<Kind>(dy, u, size, du);
  else
    gelu_backward_from<Kind>(dy, u_bf16, size, du);
}

void gelu(float* u, const float* bias, int64_t size, bool tanh, Bf16* kept, Operand y) {
  if (tanh)
    gelu_of<TanhGelu>(u, bias, size, kept, y);
  else
    gelu_of<ExactGelu>(u, bias, size, kept, y);
}

void gelu_backward(const float* dy, const float* u, const Bf16* u_bf16, int64_t size, bool tanh,
                   Operand du) {
  if (tanh)
    gelu_backward_of<TanhGelu>(dy, u, u_bf16, size, du);
  else
    gelu_backward_of<ExactGelu>(dy, u, u_bf16, size, du);
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
