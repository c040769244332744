// One rule for host and device: which elements of a sequence survive.
#pragma once

#include <cstdint>

#include "gpt/kernels/philox.h"

namespace gpt {

// Philox's 64-bit key: everything that is constant over a launch, mixed by splitmix64's finaliser
// (Steele et al., OOPSLA 2014), since Philox itself only promises independence between counters.
struct DropoutStream {
  std::uint32_t key0, key1;
  std::uint32_t threshold;  // an element is dropped if its word is below
  std::uint32_t step;       // third counter word
  double scale;             // 1/(1-p)
};

// The four words that decide elements 4*quad .. 4*quad+3 of a sequence. quad < 2^32, so a sequence
// may have 2^34 elements; sequence < 2^32.
GPT_HOST_DEVICE inline PhiloxBlock dropout_words(const DropoutStream& stream, std::uint64_t quad,
                                                 std::uint32_t sequence) {
  return philox({{static_cast<std::uint32_t>(quad), static_cast<std::uint32_t>(quad >> 32),
                  stream.step, sequence}},
                stream.key0, stream.key1);
}

}  // namespace gpt
