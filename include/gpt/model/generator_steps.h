// Getting a CPU generator past numbers that nobody needs.
#pragma once

#include <cstdint>

#include <ATen/core/Generator.h>

#include "gpt/config/model_config.h"

namespace gpt {

// As many raw numbers of the generator (LibTorch's mt19937) as `steps` says; half a ns each, or
// less.
void skip_steps(at::Generator& generator, std::int64_t steps);

// Leaves the generator as building a Gpt of this shape does, which takes several times as long:
// nanoGPT's sample.py draws weights before it loads others over them.
void skip_init(at::Generator& generator, const ModelConfig& config, std::int64_t vocab_size,
               std::int64_t block_size);

}  // namespace gpt
