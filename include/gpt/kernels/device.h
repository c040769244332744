// Facts about the devices of this machine, and what they hold.
#pragma once

#include <cstdint>
#include <string>

#include <c10/core/Device.h>

namespace gpt {

struct DeviceFacts {
  int cuda_devices = 0;  // 0 too without a driver or in a CPU-only build
  bool built_with_cuda = false;
  int cuda_capability = 0;  // of the first device; 86: 8.6
  std::string cuda_name;    // of the first device
  bool cpu_bf16 = false;    // AVX-512 bf16 or AMX: products run natively
  std::string cpu_name;
  int cores = 1;  // that this process may run on

  bool cuda_bf16() const { return cuda_capability >= 80; }
};
DeviceFacts device_facts(int cuda_index = 0);

// Makes a GPU the current one of the calling thread; nothing to do for the CPU. LibTorch goes back
// to the current GPU after every event, which would otherwise open a context on the first card:
// hundreds of MiB there, or an error where it is full or reserved.
void use_device(const c10::Device& device);

// Waits for everything queued on `device`; nothing to do on the CPU.
void synchronize(const c10::Device& device);

// Dense peak of the device in FLOP/s for products of the given type, and how it is known
// ("NVIDIA's table", "measured"). Known GPUs come from a table; the rest, CPUs too, are measured
// with a large product.
struct PeakRate {
  double flops = 0;
  std::string source;
};
PeakRate peak_rate(const c10::Device& device, c10::ScalarType type);
// Measured always, by the fastest of the products here: on a CPU LibTorch's, oneDNN's and our own.
PeakRate measured_peak(const c10::Device& device, c10::ScalarType type);

// The table alone: bf16/fp16 dense FLOP/s with fp32 accumulation by product name as the driver
// reports it; 0 if unknown.
double table_peak(const std::string& gpu_name);

// Process-wide arithmetic switches: TF32 as nanoGPT sets it, deterministic kernels on request.
// Call before the first CUDA allocation.
void set_arithmetic(bool deterministic);

}  // namespace gpt
