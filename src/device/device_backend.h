// What device.h, memory.h and watch.h need of the CUDA libraries. One of device_cuda.cpp and
// device_nocuda.cpp implements it.
#pragma once

#include "gpt/device/device.h"
#include "gpt/device/memory.h"

namespace gpt {

void add_cuda_facts(DeviceFacts& facts, int index);
void use_cuda_device(int index);
int cuda_capability(int index);
bool cuda_reaches(int index, int other);  // its memory
void forget_cuda_error();
void synchronize_cuda(int index);
MemoryUse cuda_memory_use(int index);
std::string cuda_device_name(int index);
// As NVML names it: "00000000:01:00.0".
std::string cuda_pci_bus_id(int index);
void reset_cuda_peak_memory(int index);
std::uint64_t cuda_total_memory(int index);
std::uint64_t cuda_free_memory(int index);
void limit_cuda_memory(int index, std::uint64_t bytes);
at::Tensor pinned_zeros(at::IntArrayRef sizes);
void release_cached_cuda_memory();
void release_cuda_matmul_workspace();
std::int64_t cuda_allocation_retries(int index);
bool cuda_fits_without_flush(int index, std::uint64_t bytes);
// Of the last refusal on any card.
std::uint64_t cuda_memory_shortfall();

}  // namespace gpt
