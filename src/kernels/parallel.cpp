#include "gpt/kernels/parallel.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/TensorIterator.h>

namespace gpt {

void parallel_ranges(std::int64_t count, std::int64_t grain,
                     c10::function_ref<void(std::int64_t first, std::int64_t last)> work) {
  if (count <= 0) return;
  if (count <= grain) return work(0, count);
  parallel_ranges(at::empty({count}, at::kByte), grain, work);
}

// LibTorch's loop over a tensor's elements is compiled with OpenMP, so it cuts the bytes for us;
// what it hands out are addresses, from which the range follows.
void parallel_ranges(const at::Tensor& bytes, std::int64_t grain,
                     c10::function_ref<void(std::int64_t first, std::int64_t last)> work) {
  const auto* base = static_cast<const char*>(bytes.const_data_ptr());
  at::Tensor elements = bytes;
  at::TensorIterator iterator = at::TensorIterator::nullary_op(elements);
  // Two dimensions are the general case; the outer one of a vector has one step.
  const auto piece = [&](char** data, const std::int64_t*, std::int64_t size, std::int64_t steps) {
    const std::int64_t first = data[0] - base;
    work(first, first + size * steps);
  };
  iterator.for_each(piece, std::max<std::int64_t>(1, grain));
}

}  // namespace gpt
