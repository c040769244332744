// One rule for host and device: which elements of a sequence survive.
#pragma once

#include <cstdint>

#include "gpt/kernels/ops/philox.h"

namespace gpt {

// Philox's 64-bit key: everything that is constant over a launch, mixed by splitmix64's finaliser
// (Steele et al., OOPSLA 2014), since Philox itself only promises independence between counters.
struct DropoutStream {
  std::uint32_t key0 = 0, key1 = 0;
  std::uint32_t threshold = 0;  // an element is dropped if its word is below
  std::uint32_t step = 0;       // third counter word
  double scale = 1;             // 1/(1-p)
  // Where set, the step is read here: a recorded launch is of the step in which it is replayed.
  const std::int64_t* step_in_memory = nullptr;
};

// The four words that decide elements 4*quad .. 4*quad+3 of a sequence. quad < 2^32, so a sequence
// may have 2^34 elements; sequence < 2^32.
GPT_HOST_DEVICE inline PhiloxBlock dropout_words(const DropoutStream& stream, std::uint64_t quad,
                                                 std::uint32_t sequence) {
  const std::uint32_t step =
      stream.step_in_memory ? static_cast<std::uint32_t>(*stream.step_in_memory) : stream.step;
  return philox(
      {{static_cast<std::uint32_t>(quad), static_cast<std::uint32_t>(quad >> 32), step, sequence}},
      stream.key0, stream.key1);
}

// Dropout of a (rows, width) activation inside another kernel. Row n is token n % rows_per_sequence
// of sequence[n / rows_per_sequence]. threshold 0 is no dropout, and sequence may be null.
struct DropoutRows {
  DropoutStream stream = {};
  const std::int64_t* sequence = nullptr;
  std::int64_t rows_per_sequence = 1;
};

// Factors, 0 or 1/(1-p), of N elements from `column` on; N is 1, or 4 with width and column
// multiples of 4.
template <int N, class Real>
GPT_HOST_DEVICE inline void dropout_factors(const DropoutRows& dropout, std::int64_t row,
                                            std::int64_t column, std::int64_t width,
                                            Real (&factor)[N]) {
  static_assert(N == 1 || N == 4, "one element, or one Philox block");
  if (dropout.stream.threshold == 0) {
    for (int k = 0; k < N; ++k) factor[k] = Real(1);
    return;
  }
  const std::int64_t i = row % dropout.rows_per_sequence * width + column;
  const auto sequence =
      static_cast<std::uint32_t>(dropout.sequence[row / dropout.rows_per_sequence]);
  const PhiloxBlock words =
      dropout_words(dropout.stream, static_cast<std::uint64_t>(i) / 4, sequence);
  for (int k = 0; k < N; ++k) {
    const std::uint32_t word = words.word[N == 1 ? i % 4 : k];
    factor[k] = word < dropout.stream.threshold ? Real(0) : static_cast<Real>(dropout.stream.scale);
  }
}

}  // namespace gpt
