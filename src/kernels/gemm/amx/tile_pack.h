// Packing into tiles, as the tile instructions read them: 16 rows of 16 k-groups, a k-group being
// two bfloat16 of neighbouring indices k. A float32 becomes three bfloat16 (24 bits of mantissa are
// three times 8), each in a tile of its own.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#include "gpt/kernels/gemm/gemm_backend.h"

namespace gpt {
namespace GPT_ISA {
namespace {

constexpr int64_t kTileRows = 16, kTileDepth = 32, kTileBytes = 1024;

template <class T>
constexpr int kParts = 1;
template <>
constexpr int kParts<float> = 3;

// 16 k-groups of each part. Group i holds the part of u[i] in its lower half, that of v[i] in its
// upper one.
template <int parts>
struct KGroups {
  __m512i part[parts];
};

inline __m512i low_half(__m512i below, __m512i above) {
  return _mm512_mask_mov_epi16(_mm512_srli_epi32(below, 16), 0xAAAAAAAAu, above);
}

// x = first + second + third exactly, but for the last bits of x < 2^-110 (denormals count as
// zero) and for x above bfloat16's largest; each is the rest rounded to the nearest bfloat16, so
// |second| <= 2^-8 |x| and |third| <= 2^-16 |x|. NaN stays NaN; infinity becomes NaN.
inline KGroups<3> split_bf16(__m512 u, __m512 v) {
  const __m512i half = _mm512_set1_epi32(0x8000);
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xFFFF0000u));
  KGroups<3> groups;
  for (int part = 0; part < 2; ++part) {
    const __m512i u_part = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(u), half), high);
    const __m512i v_part = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(v), half), high);
    groups.part[part] = low_half(u_part, v_part);
    u = _mm512_sub_ps(u, _mm512_castsi512_ps(u_part));
    v = _mm512_sub_ps(v, _mm512_castsi512_ps(v_part));
  }
  groups.part[2] = low_half(_mm512_castps_si512(u), _mm512_castps_si512(v));
  return groups;
}

inline uint32_t first_bits(int64_t count, int64_t most) {
  return count <= 0 ? 0u : count >= most ? (most == 32 ? ~0u : 0xFFFFu) : (1u << count) - 1u;
}

// The k-groups of the k in [0, depth) of a row: (k, k + 16) of float32, (2 k, 2 k + 1) of bfloat16.
// Any pairing will do that A and B share.
inline KGroups<3> along_row(const float* row, int64_t depth) {
  return split_bf16(
      _mm512_maskz_loadu_ps(static_cast<__mmask16>(first_bits(depth, 16)), row),
      _mm512_maskz_loadu_ps(static_cast<__mmask16>(first_bits(depth - 16, 16)), row + 16));
}
inline KGroups<1> along_row(const Bf16* row, int64_t depth) {
  return {{_mm512_maskz_loadu_epi16(first_bits(depth, 32), row)}};
}

// The same for group `group` of `count` neighbours, whose k lie `stride` apart.
inline KGroups<3> across_rows(const float* data, int64_t stride, int64_t group, int64_t depth,
                              int64_t count) {
  const uint32_t lanes = first_bits(count, 16);
  const float *below = data + group * stride, *above = below + 16 * stride;
  return split_bf16(
      _mm512_maskz_loadu_ps(static_cast<__mmask16>(group < depth ? lanes : 0), below),
      _mm512_maskz_loadu_ps(static_cast<__mmask16>(group + 16 < depth ? lanes : 0), above));
}
inline KGroups<1> across_rows(const Bf16* data, int64_t stride, int64_t group, int64_t depth,
                              int64_t count) {
  const uint32_t lanes = first_bits(count, 16);
  const Bf16 *below = data + 2 * group * stride, *above = below + stride;
  const auto wide = [lanes](bool is_there, const Bf16* from) {
    return _mm512_cvtepu16_epi32(
        _mm256_maskz_loadu_epi16(static_cast<__mmask16>(is_there ? lanes : 0), from));
  };
  return {{_mm512_or_si512(wide(2 * group < depth, below),
                           _mm512_slli_epi32(wide(2 * group + 1 < depth, above), 16))}};
}

// Turns rows into columns in four rounds: k-groups, pairs of them, then quarters of the register.
inline void transpose(__m512i (&x)[16]) {
  __m512i y[16];
  for (int i = 0; i < 16; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 16; i += 4)
    for (int j = 0; j < 2; ++j) {
      x[i + 2 * j] = _mm512_unpacklo_epi64(y[i + j], y[i + j + 2]);
      x[i + 2 * j + 1] = _mm512_unpackhi_epi64(y[i + j], y[i + j + 2]);
    }
  // x[4 g + r] has, in quarter q, column 4 q + r of rows 4 g .. 4 g + 3.
  for (int r = 0; r < 4; ++r) {
    const __m512i a = _mm512_shuffle_i32x4(x[r], x[4 + r], 0x88);
    const __m512i b = _mm512_shuffle_i32x4(x[8 + r], x[12 + r], 0x88);
    const __m512i c = _mm512_shuffle_i32x4(x[r], x[4 + r], 0xDD);
    const __m512i d = _mm512_shuffle_i32x4(x[8 + r], x[12 + r], 0xDD);
    y[r] = _mm512_shuffle_i32x4(a, b, 0x88);
    y[8 + r] = _mm512_shuffle_i32x4(a, b, 0xDD);
    y[4 + r] = _mm512_shuffle_i32x4(c, d, 0x88);
    y[12 + r] = _mm512_shuffle_i32x4(c, d, 0xDD);
  }
  for (int i = 0; i < 16; ++i) x[i] = y[i];
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
