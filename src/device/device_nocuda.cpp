#include <ATen/core/Tensor.h>

#include "device_backend.h"

namespace gpt {

void add_cuda_facts(DeviceFacts&, int) {}
void configure_cuda_allocator(const std::string&) {}

// The rest cannot be reached: without CUDA no device but the CPU is ever chosen.
void use_cuda_device(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
int cuda_capability(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
bool cuda_reaches(int, int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
void forget_cuda_error() {}
void synchronize_cuda(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
MemoryUse cuda_memory_use(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
std::string cuda_device_name(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}

std::string cuda_pci_bus_id(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
void reset_cuda_peak_memory(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
std::uint64_t cuda_total_memory(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
std::uint64_t cuda_free_memory(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
void limit_cuda_memory(int, std::uint64_t) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
at::Tensor pinned_zeros(at::IntArrayRef) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
void release_cached_cuda_memory() {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
void release_cuda_matmul_workspace() {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
std::int64_t cuda_allocation_retries(int) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
bool cuda_fits_without_flush(int, std::uint64_t) {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}
std::uint64_t cuda_memory_shortfall() {
  TORCH_CHECK(false, "this gpttrain was built without CUDA");
}

}  // namespace gpt
