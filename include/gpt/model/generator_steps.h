// Getting a CPU generator past numbers that nobody needs.
#pragma once

#include <cstdint>

#include <ATen/core/Generator.h>

namespace gpt {

// As many raw numbers of the generator (LibTorch's mt19937) as `steps` says; half a ns each, or
// less.
void skip_steps(at::Generator& generator, std::int64_t steps);

}  // namespace gpt
