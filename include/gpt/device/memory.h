// The memory that tensors of a device take: how much, how much they may, and being told no.
#pragma once

#include <cstdint>
#include <exception>
#include <string>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace gpt {

// Bytes: of tensors on the CPU (see cpu_memory.h), of the caching allocator's segments on CUDA,
// which is what other processes do not get.
struct MemoryUse {
  std::uint64_t now = 0;
  std::uint64_t peak = 0;  // since the start or the last reset
  // Of the tensors alone, without what the caching allocator holds in addition.
  std::uint64_t tensors_peak = 0;
};
MemoryUse memory_use(const c10::Device& device);
void reset_peak_memory(const c10::Device& device);

// All that the device has, in bytes: of the card, or the machine's memory as far as control groups
// and `ulimit -v` let this process have it.
std::uint64_t total_memory(const c10::Device& device);

// What this process could still get, in bytes: of the card, or the least of what the kernel calls
// available of the machine (MemAvailable) and of what control groups and `ulimit -v` leave.
std::uint64_t free_memory(const c10::Device& device);

// From now on tensors may take `bytes` and no more; 0: no limit. What they hold already counts.
void limit_memory(const c10::Device& device, std::uint64_t bytes);

// How CUDA's caching allocator works, in PyTorch's words ("expandable_segments:True"); before the
// first allocation on any card. Nothing to do in a build without CUDA.
void configure_cuda_allocator(const std::string& settings);

// Float32 zeros in the host's memory, pinned so that copies to and from a GPU overlap with its
// compute; with a warning where the system does not let it be. A GPU's host memory is not counted.
at::Tensor host_zeros(at::IntArrayRef sizes, const c10::Device& device);

// Gives back what is cached and not in use.
void release_cached_memory(const c10::Device& device);

// Gives back what LibTorch's matmul library holds to work in, until it is used again. Not while a
// recorded graph may use it.
void release_matmul_workspace(const c10::Device& device);

// How often the caching allocator had to empty its cache to satisfy a request: 0 if the plan fits,
// always 0 on the CPU.
std::int64_t allocation_retries(const c10::Device& device);

// Is there memory for a tensor of `bytes` besides all that the caching allocator holds, so that it
// need not flush its cache? What it has cached does not count: that may belong to graphs. Always
// true on the CPU.
bool fits_without_flush(const c10::Device& device, std::uint64_t bytes);

// Did `error` say that memory ran out? Of whatever kind: the CPU's tensors, the card's, cuBLAS's or
// the heap's.
bool is_out_of_memory(const std::exception& error);

// Bytes that were missing at the last refusal; 0 if unknown.
std::uint64_t memory_shortfall(const c10::Device& device);

}  // namespace gpt
