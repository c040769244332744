// What differs between float32 and bfloat16 products in a pass.
#pragma once

#include "gpt/model/layers.h"

#include "cpu_pass.h"

namespace gpt {

inline Operand operand(float* to) {
  return {.f32 = to};
}
inline Operand operand(Bf16* to) {
  return {.bf16 = to};
}

template <class X>
const X* matrix_of(const CpuWeight& weight) {
  if constexpr (std::is_same_v<X, float>)
    return weight.f32;
  else
    return weight.bf16;
}

template <class X>
constexpr bool kLow = !std::is_same_v<X, float>;

}  // namespace gpt
