#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

#include "device_backend.h"

namespace gpt {

void add_cuda_facts(DeviceFacts& facts, int index) {
  facts.built_with_cuda = true;
  facts.cuda_devices = c10::cuda::device_count();  // 0, not an error, without a driver
  if (index >= facts.cuda_devices) return;
  const cudaDeviceProp* device =
      at::cuda::getDeviceProperties(static_cast<c10::DeviceIndex>(index));
  facts.cuda_bf16 = device->major >= 8;
  facts.cuda_name = device->name;
}

void synchronize_cuda(int index) {
  const c10::cuda::CUDAGuard guard(static_cast<c10::DeviceIndex>(index));
  c10::cuda::device_synchronize();
}

MemoryUse cuda_memory_use(int index) {
  const auto stats =
      c10::cuda::CUDACachingAllocator::getDeviceStats(static_cast<c10::DeviceIndex>(index));
  return {static_cast<std::uint64_t>(stats.reserved_bytes[0].current),
          static_cast<std::uint64_t>(stats.reserved_bytes[0].peak)};
}

std::string cuda_device_name(int index) {
  return at::cuda::getDeviceProperties(index)->name;
}

}  // namespace gpt
