#include <algorithm>
#include <atomic>
#include <mutex>
#include <sys/mman.h>

#include <ATen/Context.h>
#include <ATen/cuda/CUDAContext.h>
#include <c10/core/AllocatorConfig.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"

#include "device_backend.h"

namespace gpt {

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

std::atomic<std::uint64_t> shortfall{0};

c10::DeviceIndex device_index(int index) {
  return static_cast<c10::DeviceIndex>(index);
}

// The allocator refuses every question about a device until PyTorch has set up CUDA, which the
// first tensor does; limits and statistics are wanted before it. Its settings must be made by then.
c10::DeviceIndex allocator_index(int index) {
  at::globalContext().lazyInitDevice(at::kCUDA);
  return device_index(index);
}

// `allowed`: to this process; `free`: of the card.
void note_refusal(std::int64_t device, std::size_t asked, std::size_t allowed, std::size_t free) {
  const auto stats = allocator::getDeviceStats(device_index(static_cast<int>(device)));
  const auto held = static_cast<std::size_t>(stats.reserved_bytes[0].current);
  const std::size_t left = std::min(allowed > held ? allowed - held : 0, free);
  shortfall = asked > left ? asked - left : asked;
}

}  // namespace

void add_cuda_facts(DeviceFacts& facts, int index) {
  facts.built_with_cuda = true;
  facts.cuda_devices = c10::cuda::device_count();  // 0, not an error, without a driver
  if (index >= facts.cuda_devices) return;
  facts.cuda_capability = cuda_capability(index);
  facts.cuda_name = cuda_device_name(index);
}

int cuda_capability(int index) {
  const cudaDeviceProp* device = at::cuda::getDeviceProperties(device_index(index));
  return 10 * device->major + device->minor;
}

bool cuda_reaches(int index, int other) {
  int access = 0;
  if (cudaDeviceCanAccessPeer(&access, index, other) != cudaSuccess) forget_cuda_error();
  return access != 0;
}

void forget_cuda_error() {
  static_cast<void>(cudaGetLastError());
}

void use_cuda_device(int index) {
  c10::cuda::set_device(device_index(index));
}

void synchronize_cuda(int index) {
  const c10::cuda::CUDAGuard guard(device_index(index));
  c10::cuda::device_synchronize();
}

MemoryUse cuda_memory_use(int index) {
  const auto stats = allocator::getDeviceStats(allocator_index(index));
  return {static_cast<std::uint64_t>(stats.reserved_bytes[0].current),
          static_cast<std::uint64_t>(stats.reserved_bytes[0].peak),
          static_cast<std::uint64_t>(stats.allocated_bytes[0].peak)};
}

std::string cuda_device_name(int index) {
  return at::cuda::getDeviceProperties(device_index(index))->name;
}

std::string cuda_pci_bus_id(int index) {
  const cudaDeviceProp* device = at::cuda::getDeviceProperties(device_index(index));
  return format("%08x:%02x:%02x.0", static_cast<unsigned>(device->pciDomainID),
                static_cast<unsigned>(device->pciBusID),
                static_cast<unsigned>(device->pciDeviceID));
}

void reset_cuda_peak_memory(int index) {
  allocator::resetPeakStats(allocator_index(index));
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
  allocator::setMemoryFraction(fraction, allocator_index(index));
  static const bool observed = [] {
    allocator::attachOutOfMemoryObserver(note_refusal);
    return true;
  }();
  (void)observed;
}

void configure_cuda_allocator(const std::string& settings) {
  c10::CachingAllocator::setAllocatorSettings(settings);
}

namespace {

// False where the system lets no more be pinned (WSL2, containers, `ulimit -l`): copies to and from
// such memory are slower, and right all the same.
bool register_pages(void* pages, std::size_t bytes) {
  const cudaError_t status = cudaHostRegister(pages, bytes, cudaHostRegisterDefault);
  if (status == cudaSuccess) return true;
  cudaGetLastError();  // else the next launch's check would find it
  static std::once_flag warned;
  std::call_once(warned, [&] {
    log_warning(concat("optimizer_offload: ", human_bytes(bytes),
                       " of the host's memory cannot be pinned (", cudaGetErrorString(status),
                       "); it stays pageable, and transfers are slower; `ulimit -l`, a container's "
                       "--ulimit memlock=-1 or memory= in WSL's .wslconfig may raise the limit"));
  });
  return false;
}

}  // namespace

// PyTorch's own pinned memory comes in powers of two, which would waste up to half of it here.
at::Tensor pinned_zeros(at::IntArrayRef sizes) {
  const auto bytes = static_cast<std::size_t>(c10::multiply_integers(sizes)) * sizeof(float);
  void* pages =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, /*fd=*/-1, 0);
  TORCH_CHECK_WITH(OutOfMemoryError, pages != MAP_FAILED, "the host has no ", bytes,
                   " bytes for optimizer_offload");
  const bool pinned = register_pages(pages, bytes);
  const auto release = [bytes, pinned](void* mapped) {
    if (pinned) cudaHostUnregister(mapped);
    munmap(mapped, bytes);
  };
  return at::from_blob(pages, sizes, release, at::kFloat);
}

void release_cached_cuda_memory() {
  allocator::emptyCache();
}

void release_cuda_matmul_workspace() {
  at::cuda::clearCublasWorkspaces();
}

std::int64_t cuda_allocation_retries(int index) {
  return allocator::getDeviceStats(allocator_index(index)).num_alloc_retries;
}

bool cuda_fits_without_flush(int index, std::uint64_t bytes) {
  constexpr std::uint64_t kSegment = 20 << 20;  // what the allocator fetches for less
  const c10::DeviceIndex device = allocator_index(index);
  const auto reserved = allocator::getDeviceStats(device).reserved_bytes[0].current;
  const double allowed =
      allocator::getMemoryFraction(device) * static_cast<double>(cuda_total_memory(index));
  const std::uint64_t more = bytes + kSegment;
  return static_cast<double>(reserved) + static_cast<double>(more) <= allowed &&
         more <= cuda_free_memory(index);
}

std::uint64_t cuda_memory_shortfall() {
  return shortfall;
}

}  // namespace gpt
