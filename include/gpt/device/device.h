// Facts about the devices of this machine, and what they hold.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <c10/core/Device.h>

namespace gpt {

struct DeviceFacts {
  int cuda_devices = 0;  // 0 too without a driver or in a CPU-only build
  bool built_with_cuda = false;
  int cuda_capability = 0;  // of the first device; 86: 8.6
  std::string cuda_name;    // of the first device
  bool cpu_bf16 = false;    // AVX-512 bf16 or AMX: matmuls run natively
  std::string cpu_name;
  int cores = 1;            // that this process may use
  std::string cores_limit;  // whose limit that is, as in gpt/base/machine_limits.h

  bool cuda_bf16() const { return cuda_capability >= 80; }
};
DeviceFacts device_facts(int cuda_index = 0);

// Pairs of cards that cannot read each other's memory: NCCL goes through the host's.
std::vector<std::pair<int, int>> cards_without_peer_access();

// The product name of a GPU as the driver reports it: "NVIDIA H200".
std::string driver_name(const c10::Device& gpu);

// Makes a GPU the current one of the calling thread; nothing to do for the CPU. LibTorch goes back
// to the current GPU after every event, which would otherwise open a context on the first card:
// hundreds of MiB there, or an error where it is full or reserved.
void use_device(const c10::Device& device);

// Waits for everything queued on `device`; nothing to do on the CPU.
void synchronize(const c10::Device& device);

// Of a GPU; 86: 8.6.
int compute_capability(const c10::Device& gpu);

// Forgets the error of a call on a GPU that failed, where that has been dealt with: CUDA keeps it,
// and the check after the next launch would take it for that launch's own.
void forget_error(const c10::Device& device);

// Process-wide arithmetic switches: TF32 as nanoGPT sets it, deterministic kernels on request.
// Call before the first CUDA allocation.
void set_arithmetic(bool deterministic);

}  // namespace gpt
