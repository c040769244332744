// How matrices become panels of words (k_group.h).
#pragma once

#include "k_group.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Four words of rows i to i + 7: word k of them goes to low + k * panel, the last four rows' to
// high, which is low + 4 unless panels are shorter than eight rows.
template <class Words, int64_t panel>
inline void transpose_eight(const typename Words::Element* data, int64_t stride, float* low,
                            float* high) {
  __m256 x[4];
  for (int row = 0; row < 4; ++row)
    x[row] = _mm256_insertf128_ps(_mm256_castps128_ps256(Words::along(data + row * stride)),
                                  Words::along(data + (row + 4) * stride), 1);
  const __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(x[0], x[1]));
  const __m256d b = _mm256_castps_pd(_mm256_unpackhi_ps(x[0], x[1]));
  const __m256d c = _mm256_castps_pd(_mm256_unpacklo_ps(x[2], x[3]));
  const __m256d d = _mm256_castps_pd(_mm256_unpackhi_ps(x[2], x[3]));
  const __m256d words[4] = {_mm256_unpacklo_pd(a, c), _mm256_unpackhi_pd(a, c),
                            _mm256_unpacklo_pd(b, d), _mm256_unpackhi_pd(b, d)};
  for (int k = 0; k < 4; ++k) {
    const __m256 word = _mm256_castpd_ps(words[k]);
    if constexpr (panel >= 8) {
      _mm256_storeu_ps(low + k * panel, word);
    } else {
      _mm_storeu_ps(low + k * panel, _mm256_castps256_ps128(word));
      _mm_storeu_ps(high + k * panel, _mm256_extractf128_ps(word, 1));
    }
  }
}

// The CPU does not foresee strides as long as those from one source line to the next.
constexpr int64_t kLinesAhead = 8;

template <class Words>
inline void fetch_ahead(const typename Words::Element* row, int64_t stride, int64_t columns) {
  constexpr int64_t kLine = 64 / static_cast<int64_t>(sizeof *row);
  for (int64_t line = 0; line < Words::kElements; ++line)
    for (int64_t column = 0; column < columns; column += kLine)
      __builtin_prefetch(row + (kLinesAhead * Words::kElements + line) * stride + column);
}

template <class Words>
inline __m256 eight_across(const typename Words::Element* data, int64_t stride) {
  if constexpr (Words::kInPlace)
    return _mm256_loadu_ps(data);
  else
    return _mm256_set_m128(Words::across(data + 4, stride), Words::across(data, stride));
}

// The first eights of a panel whose inner indices lie a stride apart.
template <class Words, int64_t panel>
inline void copy_eights(const typename Words::Element* row, int64_t stride, int64_t eights,
                        int64_t words, float* to) {
  for (int64_t k = 0; k < words; ++k) {
    fetch_ahead<Words>(row, stride, panel);
    const auto copy = [=](int64_t count) {
      for (int64_t v = 0; v < count; ++v)
        _mm256_storeu_ps(to + 8 * v, eight_across<Words>(row + 8 * v, stride));
    };
    eights == panel / 8 ? copy(panel / 8) : copy(eights);  // mostly a number known to the compiler
    row += Words::kElements * stride;
    to += panel;
  }
}

// Word k of row i goes to panel i / panel, there to k * panel + i % panel. Zeros follow up to the
// next multiple of `unit` rows.
template <class Words, int64_t panel, int64_t unit>
void pack_words(const ProductSide<typename Words::Element>& side, int64_t count, int64_t depth,
                float* to) {
  using Element = typename Words::Element;
  constexpr int64_t kElements = Words::kElements, kStrip = 16;
  const int64_t words = pieces_of(depth, kElements), whole = depth / kElements;
  const bool by_eight = side.along || (unit >= 8 && count <= panel);
  const int64_t vectors = by_eight ? count / 8 * 8 : count / 4 * 4;  // rows packed by vectors
  const int64_t padded = pieces_of(count, unit) * unit;
  const auto place = [=](int64_t i, int64_t k) {
    return to + i / panel * panel * words + k * panel + i % panel;
  };
  const auto pack_one = [&](int64_t i, int64_t k) {
    *place(i, k) =
        i < count ? Words::one(from(side, i, k * kElements), depth - k * kElements) : 0.0f;
  };
  const int64_t packed = side.along ? whole / 4 * 4 : whole;  // their words that are
  if (side.along) {
    for (int64_t i = 0; i < vectors; i += 8)
      for (int64_t k = 0; k < packed; k += 4)
        transpose_eight<Words, panel>(side.data + i * side.stride + k * kElements, side.stride,
                                      place(i, k), place(i + 4, k));
  } else if (by_eight) {
    copy_eights<Words, panel>(side.data, side.stride, vectors / 8, packed, to);
  } else {
    // A source line at a time: panels may lie 4 KiB apart, and the first cache holds few such.
    for (int64_t first = 0; first < vectors; first += kStrip) {
      const int64_t pieces = least(kStrip, vectors - first) / 4;
      float* at[kStrip / 4];
      for (int64_t piece = 0; piece < pieces; ++piece) at[piece] = place(first + 4 * piece, 0);
      for (int64_t k = 0; k < packed; ++k) {
        const Element* row = side.data + k * kElements * side.stride + first;
        fetch_ahead<Words>(row, side.stride, 1);
        for (int64_t piece = 0; piece < pieces; ++piece)
          _mm_storeu_ps(at[piece] + k * panel, Words::across(row + 4 * piece, side.stride));
      }
    }
  }
  for (int64_t k = packed; k < words; ++k)
    for (int64_t i = 0; i < vectors; ++i) pack_one(i, k);
  for (int64_t i = vectors; i < padded; ++i)
    for (int64_t k = 0; k < words; ++k) pack_one(i, k);
}

}  // namespace
}  // namespace GPT_ISA
}  // namespace gpt
