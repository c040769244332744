// Where the sequences of a batch start.
#pragma once

#include <cstdint>

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace gpt {

// nanoGPT's draw, torch.randint(tokens - block_size, (count,)), from a CPU generator (mt19937) that
// is shared with its owner. A draw of n gives the same numbers in one piece or in several.
class BatchSampler {
 public:
  explicit BatchSampler(at::Generator cpu_generator);

  // int64 offsets, each with block_size + 1 tokens after it. `tokens_in_file` > block_size.
  at::Tensor draw(std::int64_t tokens_in_file, std::int64_t block_size, std::int64_t count);

  // Numbers from 0 to 1, 1 excluded: float64.
  at::Tensor draw_fractions(std::int64_t count);

 private:
  at::Generator generator_;
};

}  // namespace gpt
