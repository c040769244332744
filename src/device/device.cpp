#include "gpt/device/device.h"

#include <fstream>
#include <stdlib.h>
#include <utility>

#include <ATen/Context.h>
#include <ATen/cpu/Utils.h>

#include "gpt/base/machine_limits.h"

#include "device_backend.h"

namespace gpt {

namespace {

bool capability(const std::unordered_map<std::string, c10::IValue>& map, const std::string& name) {
  const auto found = map.find(name);
  return found != map.end() && found->second.isBool() && found->second.toBool();
}

std::string cpu_model_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    const auto colon = line.find(": ");
    if (line.rfind("model name", 0) == 0 && colon != std::string::npos)
      return line.substr(colon + 2);
  }
  return "unknown CPU";
}

}  // namespace

DeviceFacts device_facts(int cuda_index) {
  DeviceFacts facts;
  const auto cpu = at::cpu::get_cpu_capabilities();
  facts.cpu_bf16 = capability(cpu, "avx512_bf16") || capability(cpu, "amx_bf16");
  facts.cpu_name = cpu_model_name();
  const ThreadBound threads = usable_threads();
  facts.cores = threads.threads;
  facts.cores_limit = threads.name;
  add_cuda_facts(facts, cuda_index);
  return facts;
}

std::vector<std::pair<int, int>> cards_without_peer_access() {
  std::vector<std::pair<int, int>> pairs;
  const int cards = device_facts().cuda_devices;
  for (int a = 0; a < cards; ++a)
    for (int b = a + 1; b < cards; ++b)
      if (!cuda_reaches(a, b)) pairs.emplace_back(a, b);
  return pairs;
}

std::string driver_name(const c10::Device& gpu) {
  return cuda_device_name(gpu.index());
}

int compute_capability(const c10::Device& gpu) {
  return cuda_capability(gpu.index());
}

void forget_error(const c10::Device& device) {
  if (device.is_cuda()) forget_cuda_error();
}

void use_device(const c10::Device& device) {
  if (device.is_cuda()) use_cuda_device(device.index());
}

void synchronize(const c10::Device& device) {
  if (device.is_cuda()) synchronize_cuda(device.index());
}

void set_arithmetic(bool deterministic) {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuBLAS(true);
  context.setAllowTF32CuDNN(true);
  if (!deterministic) return;
  // cuBLAS reads this when its first handle is made.
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
  context.setDeterministicAlgorithms(true, /*warn_only=*/false);
  context.setDeterministicCuDNN(true);
  context.setBenchmarkCuDNN(false);
  context.setDeterministicFillUninitializedMemory(false);
}

}  // namespace gpt
