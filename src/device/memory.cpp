#include "gpt/device/memory.h"

#include <algorithm>
#include <limits>
#include <malloc.h>
#include <new>
#include <string>

#include <ATen/ATen.h>

#include "gpt/base/machine_limits.h"
#include "gpt/device/cpu_memory.h"

#include "device_backend.h"

namespace gpt {

MemoryUse memory_use(const c10::Device& device) {
  if (device.is_cuda()) return cuda_memory_use(device.index());
  return {cpu_memory_now(), cpu_memory_peak(), cpu_memory_peak()};
}

void reset_peak_memory(const c10::Device& device) {
  device.is_cuda() ? reset_cuda_peak_memory(device.index()) : reset_cpu_memory_peak();
}

std::uint64_t total_memory(const c10::Device& device) {
  if (device.is_cuda()) return cuda_total_memory(device.index());
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  for (const MemoryBound& bound : memory_bounds()) least = std::min(least, bound.total);
  return least;
}

std::uint64_t free_memory(const c10::Device& device) {
  if (device.is_cuda()) return cuda_free_memory(device.index());
  return tightest(memory_bounds()).available;
}

void limit_memory(const c10::Device& device, std::uint64_t bytes) {
  device.is_cuda() ? limit_cuda_memory(device.index(), bytes) : set_cpu_memory_limit(bytes);
}

at::Tensor host_zeros(at::IntArrayRef sizes, const c10::Device& device) {
  return device.is_cuda() ? pinned_zeros(sizes) : at::zeros(sizes, at::kFloat);
}

void release_cached_memory(const c10::Device& device) {
  if (device.is_cuda())
    release_cached_cuda_memory();
  else
    malloc_trim(0);
}

void release_matmul_workspace(const c10::Device& device) {
  if (device.is_cuda()) release_cuda_matmul_workspace();
}

std::int64_t allocation_retries(const c10::Device& device) {
  return device.is_cuda() ? cuda_allocation_retries(device.index()) : 0;
}

bool fits_without_flush(const c10::Device& device, std::uint64_t bytes) {
  return !device.is_cuda() || cuda_fits_without_flush(device.index(), bytes);
}

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) ||
      dynamic_cast<const std::bad_alloc*>(&error))
    return true;
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  if (!torch) return false;
  // Libraries that allocate for themselves, and the host's pinned memory, have no type of their
  // own.
  const std::string text = torch->what_without_backtrace();
  for (const char* sign : {"CUDA error: out of memory", "_ALLOC_FAILED", "allocate memory"})
    if (text.find(sign) != std::string::npos) return true;
  return false;
}

std::uint64_t memory_shortfall(const c10::Device& device) {
  if (device.is_cuda()) return cuda_memory_shortfall();
  const auto [asked, in_use] = last_cpu_refusal();
  const std::uint64_t limit = cpu_memory_limit();
  return limit > 0 && in_use + asked > limit ? in_use + asked - limit : asked;
}

}  // namespace gpt
