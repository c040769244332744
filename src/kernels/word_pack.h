// How matrices become panels of words (words.h).
#pragma once

#include "words.h"

namespace gpt {
namespace GPT_ISA {
namespace {

// Four words of rows i to i + 7: word k of them goes to low + k * panel, the last four rows' to
// high.
template <class Words>
inline void transpose_eight(const typename Words::Element* data, int64_t stride, float* low,
                            float* high, int64_t panel) {
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
    _mm_storeu_ps(low + k * panel, _mm256_castps256_ps128(word));
    _mm_storeu_ps(high + k * panel, _mm256_extractf128_ps(word, 1));
  }
}

// Word k of row i goes to panel i / panel, there to k * panel + i % panel. Zeros follow up to the
// next multiple of `unit` rows.
template <class Words, int64_t panel, int64_t unit>
void pack_words(const ProductSide<typename Words::Element>& side, int64_t count, int64_t depth,
                float* to) {
  using Element = typename Words::Element;
  constexpr int64_t kElements = Words::kElements, kStrip = 16, kAhead = 8;
  const int64_t words = pieces_of(depth, kElements), whole = depth / kElements;
  const int64_t vectors = side.along ? count / 8 * 8 : count / 4 * 4;  // rows packed by vectors
  const int64_t padded = pieces_of(count, unit) * unit;
  const auto place = [=](int64_t i, int64_t k) {
    return to + i / panel * panel * words + k * panel + i % panel;
  };
  const auto pack_one = [&](int64_t i, int64_t k) {
    *place(i, k) =
        i < count ? Words::one(from(side, i, k * kElements), depth - k * kElements) : 0.0f;
  };
  int64_t packed = 0;  // their words that are
  if (side.along) {
    packed = whole / 4 * 4;
    for (int64_t i = 0; i < vectors; i += 8)
      for (int64_t k = 0; k < packed; k += 4)
        transpose_eight<Words>(side.data + i * side.stride + k * kElements, side.stride,
                               place(i, k), place(i + 4, k), panel);
  } else {
    packed = whole;
    // A source line at a time, the next ones asked for, since the CPU does not foresee long
    // strides: panels may lie 4 KiB apart, and the first cache holds few such.
    for (int64_t first = 0; first < vectors; first += kStrip) {
      const int64_t pieces = least(kStrip, vectors - first) / 4;
      float* at[kStrip / 4];
      for (int64_t piece = 0; piece < pieces; ++piece) at[piece] = place(first + 4 * piece, 0);
      for (int64_t k = 0; k < packed; ++k) {
        const Element* row = side.data + k * kElements * side.stride + first;
        for (int64_t ahead = 0; ahead < kElements; ++ahead)
          __builtin_prefetch(row + (kAhead * kElements + ahead) * side.stride);
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
