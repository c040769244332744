#include <algorithm>
#include <atomic>
#include <sys/mman.h>

#include <ATen/cuda/CUDAContext.h>
#include <c10/core/AllocatorConfig.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

#include "gpt/base/strings.h"

#include "device_backend.h"

namespace gpt {

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

std::atomic<std::uint64_t> shortfall{0};

c10::DeviceIndex device_index(int index) {
  return static_cast<c10::DeviceIndex>(index);
}

// What is missing of the card, or of what this process may have of it: `allowed`. Where neither is
// short, the card's memory is in pieces, and as much as was asked for would do.
void note_shortfall(std::int64_t device, std::size_t asked, std::size_t allowed, std::size_t free) {
  const std::uint64_t held = cuda_memory_use(static_cast<int>(device)).now;
  const std::uint64_t of_card = asked > free ? asked - free : 0;
  const std::uint64_t of_limit = held + asked > allowed ? held + asked - allowed : 0;
  const std::uint64_t missing = std::max(of_card, of_limit);
  shortfall = missing > 0 ? missing : asked;
}

}  // namespace

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
          static_cast<std::uint64_t>(stats.reserved_bytes[0].peak),
          static_cast<std::uint64_t>(stats.allocated_bytes[0].peak)};
}

std::string cuda_device_name(int index) {
  return at::cuda::getDeviceProperties(index)->name;
}

std::string cuda_pci_bus_id(int index) {
  const cudaDeviceProp* device = at::cuda::getDeviceProperties(device_index(index));
  return format("%08x:%02x:%02x.0", static_cast<unsigned>(device->pciDomainID),
                static_cast<unsigned>(device->pciBusID),
                static_cast<unsigned>(device->pciDeviceID));
}

void reset_cuda_peak_memory(int index) {
  allocator::resetPeakStats(device_index(index));
}

std::uint64_t cuda_total_memory(int index) {
  return at::cuda::getDeviceProperties(device_index(index))->totalGlobalMem;
}

std::uint64_t cuda_free_memory(int index) {
  const c10::cuda::CUDAGuard guard(device_index(index));
  std::size_t free = 0, total = 0;
  C10_CUDA_CHECK(cudaMemGetInfo(&free, &total));
  return free;
}

void limit_cuda_memory(int index, std::uint64_t bytes) {
  const auto total = static_cast<double>(cuda_total_memory(index));
  const double fraction = bytes > 0 ? std::min(1.0, static_cast<double>(bytes) / total) : 1.0;
  allocator::setMemoryFraction(fraction, device_index(index));
  static const bool observed = [] {
    allocator::attachOutOfMemoryObserver(note_shortfall);
    return true;
  }();
  (void)observed;
}

void configure_cuda_allocator(const std::string& settings) {
  c10::CachingAllocator::setAllocatorSettings(settings);
}

// PyTorch's own pinned memory comes in powers of two, which would waste up to half of it here.
at::Tensor pinned_zeros(at::IntArrayRef sizes) {
  const auto bytes = static_cast<std::size_t>(c10::multiply_integers(sizes)) * sizeof(float);
  void* pages =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, /*fd=*/-1, 0);
  TORCH_CHECK_WITH(OutOfMemoryError, pages != MAP_FAILED, "the host has no ", bytes,
                   " bytes for optimizer_offload");
  const cudaError_t status = cudaHostRegister(pages, bytes, cudaHostRegisterDefault);
  if (status != cudaSuccess) munmap(pages, bytes);
  C10_CUDA_CHECK(status);
  const auto release = [bytes](void* registered) {
    cudaHostUnregister(registered);
    munmap(registered, bytes);
  };
  return at::from_blob(pages, sizes, release, at::kFloat);
}

void release_cached_cuda_memory() {
  allocator::emptyCache();
}

std::int64_t cuda_allocation_retries(int index) {
  return allocator::getDeviceStats(device_index(index)).num_alloc_retries;
}

std::uint64_t cuda_memory_shortfall() {
  return shortfall;
}

}  // namespace gpt
