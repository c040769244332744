// Packing: how matrices become panels of k-groups (k_group.h).
#pragma once

#include "k_group.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Transposes four groups of rows i to i + 7: group k of them goes to low + k * panel, that of the
// last four rows to high, which is low + 4 unless panels are shorter than eight rows.
template <class KGroup, int64_t panel>
inline void transpose_eight(const typename KGroup::Element* data, int64_t stride, float* low,
                            float* high) {
  __m256 x[4];
  for (int row = 0; row < 4; ++row)
    x[row] = _mm256_insertf128_ps(_mm256_castps128_ps256(KGroup::along(data + row * stride)),
                                  KGroup::along(data + (row + 4) * stride), 1);
  const __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(x[0], x[1]));
  const __m256d b = _mm256_castps_pd(_mm256_unpackhi_ps(x[0], x[1]));
  const __m256d c = _mm256_castps_pd(_mm256_unpacklo_ps(x[2], x[3]));
  const __m256d d = _mm256_castps_pd(_mm256_unpackhi_ps(x[2], x[3]));
  const __m256d groups[4] = {_mm256_unpacklo_pd(a, c), _mm256_unpackhi_pd(a, c),
                             _mm256_unpacklo_pd(b, d), _mm256_unpackhi_pd(b, d)};
  for (int k = 0; k < 4; ++k) {
    const __m256 group = _mm256_castpd_ps(groups[k]);
    if constexpr (panel >= 8) {
      _mm256_storeu_ps(low + k * panel, group);
    } else {
      _mm_storeu_ps(low + k * panel, _mm256_castps256_ps128(group));
      _mm_storeu_ps(high + k * panel, _mm256_extractf128_ps(group, 1));
    }
  }
}

// The CPU does not foresee strides as long as those from one source line to the next.
constexpr int64_t kLinesAhead = 8;

template <class KGroup>
inline void prefetch_ahead(const typename KGroup::Element* row, int64_t stride, int64_t columns) {
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof *row);
  for (int64_t line = 0; line < KGroup::kElements; ++line)
    for (int64_t column = 0; column < columns; column += kLine)
      __builtin_prefetch(row + (kLinesAhead * KGroup::kElements + line) * stride + column);
}

template <class KGroup>
inline __m256 eight_across(const typename KGroup::Element* data, int64_t stride) {
  if constexpr (KGroup::kInPlace)
    return _mm256_loadu_ps(data);
  else
    return _mm256_set_m128(KGroup::across(data + 4, stride), KGroup::across(data, stride));
}

// Copies the first eights of a panel whose indices k lie a stride apart.
template <class KGroup, int64_t panel>
inline void copy_eights(const typename KGroup::Element* row, int64_t stride, int64_t eights,
                        int64_t groups, float* to) {
  for (int64_t k = 0; k < groups; ++k) {
    prefetch_ahead<KGroup>(row, stride, panel);
    const auto copy = [=](int64_t count) {
      for (int64_t v = 0; v < count; ++v)
        _mm256_storeu_ps(to + 8 * v, eight_across<KGroup>(row + 8 * v, stride));
    };
    eights == panel / 8 ? copy(panel / 8) : copy(eights);  // mostly a number known to the compiler
    row += KGroup::kElements * stride;
    to += panel;
  }
}

// Packs group k of row i into panel i / panel, there at k * panel + i % panel. Zeros follow up to
// the next multiple of `unit` rows.
template <class KGroup, int64_t panel, int64_t unit>
void pack_panels(const GemmOperand<typename KGroup::Element>& side, int64_t count, int64_t depth,
                 float* to) {
  using Element = typename KGroup::Element;
  constexpr int64_t kElements = KGroup::kElements, kRowChunk = 16;
  const int64_t groups = ceil_div(depth, kElements), whole = depth / kElements;
  const bool by_eight = side.k_contiguous || (unit >= 8 && count <= panel);
  const int64_t vectors = by_eight ? count / 8 * 8 : count / 4 * 4;  // rows packed by vectors
  const int64_t padded = ceil_div(count, unit) * unit;
  const auto place = [=](int64_t i, int64_t k) {
    return to + i / panel * panel * groups + k * panel + i % panel;
  };
  const auto pack_one = [&](int64_t i, int64_t k) {
    *place(i, k) =
        i < count ? KGroup::one(from(side, i, k * kElements), depth - k * kElements) : 0.0f;
  };
  const int64_t packed = side.k_contiguous ? whole / 4 * 4 : whole;  // their groups that are
  if (side.k_contiguous) {
    for (int64_t i = 0; i < vectors; i += 8)
      for (int64_t k = 0; k < packed; k += 4)
        transpose_eight<KGroup, panel>(side.data + i * side.stride + k * kElements, side.stride,
                                       place(i, k), place(i + 4, k));
  } else if (by_eight) {
    copy_eights<KGroup, panel>(side.data, side.stride, vectors / 8, packed, to);
  } else {
    // A source line at a time: panels may lie 4 KiB apart, and the first cache holds few such.
    for (int64_t first = 0; first < vectors; first += kRowChunk) {
      const int64_t fours = smaller_of(kRowChunk, vectors - first) / 4;
      float* at[kRowChunk / 4];
      for (int64_t four = 0; four < fours; ++four) at[four] = place(first + 4 * four, 0);
      for (int64_t k = 0; k < packed; ++k) {
        const Element* row = side.data + k * kElements * side.stride + first;
        prefetch_ahead<KGroup>(row, side.stride, 1);
        for (int64_t four = 0; four < fours; ++four)
          _mm_storeu_ps(at[four] + k * panel, KGroup::across(row + 4 * four, side.stride));
      }
    }
  }
  for (int64_t k = packed; k < groups; ++k)
    for (int64_t i = 0; i < vectors; ++i) pack_one(i, k);
  for (int64_t i = vectors; i < padded; ++i)
    for (int64_t k = 0; k < groups; ++k) pack_one(i, k);
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
