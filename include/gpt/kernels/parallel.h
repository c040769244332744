// A range cut over LibTorch's threads.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>
#include <c10/util/FunctionRef.h>

namespace gpt {

// Calls work(first, last) for pieces that cover [0, count), each of at least `grain` where there is
// more than one, on LibTorch's own threads. at::parallel_for is a template that is parallel only in
// files compiled with OpenMP; a second OpenMP library in the process would be its price.
void parallel_ranges(std::int64_t count, std::int64_t grain,
                     c10::function_ref<void(std::int64_t first, std::int64_t last)> work);

// The same for [0, bytes.numel()), which the caller keeps a vector of bytes for: nothing is
// allocated, and what is in them does not matter.
void parallel_ranges(const at::Tensor& bytes, std::int64_t grain,
                     c10::function_ref<void(std::int64_t first, std::int64_t last)> work);

}  // namespace gpt
