// Lists of tensors as few flat ones, for collectives: a call for each of 148 tensors would cost
// more than what it moves.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

namespace gpt {

// What waits for the work on a bucket.
using Wait = std::function<void()>;

// Calls `move` with flat tensors that together have the elements of `tensors`, in their order, each
// of one type and device and of at most `bytes` bytes, and writes back what its work has left in
// them. Neighbours in memory are one tensor, a large one is cut into views of itself, and small
// ones share a copy; a few buckets are under way at once.
void in_buckets(const std::vector<at::Tensor>& tensors, std::int64_t bytes,
                const std::function<Wait(at::Tensor bucket)>& move);

}  // namespace gpt
