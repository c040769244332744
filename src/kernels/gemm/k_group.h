// A k-group is what one SIMD lane multiplies at once: a float32, or two bfloat16 of neighbouring
// indices k.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "blocking.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// A kind of k-group says what it is made of: Element, kElements in a group, and
//   along(row): the first four groups of a row whose indices k are neighbours in memory
//   across(data, stride): the groups of four neighbours whose indices k lie `stride` apart
//   kInPlace: an element is a group, which the microkernel can read where it is
//   one(side, depth): the group of an operand's first row, of which `depth` elements are left
//   multiply_add(left, right, sum): sum of lanes + left * right, left the same for all lanes
struct SingleKGroup {
  static constexpr int64_t kElements = 1;
  static VecF32 multiply_add(float left, VecF32 right, VecF32 sum) { return sum + left * right; }
};

struct F32KGroup : SingleKGroup {
  using Element = float;
  static constexpr bool kInPlace = true;
  static __m128 along(const float* row) { return _mm_loadu_ps(row); }
  static __m128 across(const float* data, int64_t /*stride*/) { return _mm_loadu_ps(data); }
  static float one(const GemmOperand<float>& side, int64_t /*depth*/) { return *side.data; }
};

inline __m128 widen_four(const Bf16* from) {
  const __m128i four = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
  return _mm_castsi128_ps(_mm_slli_epi32(_mm_cvtepu16_epi32(four), 16));
}

inline float join_bf16(Bf16 low, Bf16 high) {
  const uint32_t bits = static_cast<uint32_t>(high) << 16 | low;
  float group;
  __builtin_memcpy(&group, &bits, sizeof group);
  return group;
}

struct WidenedBf16KGroup : SingleKGroup {
  using Element = Bf16;
  static constexpr bool kInPlace = false;
  static __m128 along(const Bf16* row) { return widen_four(row); }
  static __m128 across(const Bf16* data, int64_t /*stride*/) { return widen_four(data); }
  static float one(const GemmOperand<Bf16>& side, int64_t /*depth*/) {
    return join_bf16(0, *side.data);
  }
};

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
