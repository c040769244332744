#include "gpt/kernels/device.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sched.h>
#include <stdlib.h>
#include <utility>

#include <ATen/Context.h>
#include <ATen/cpu/Utils.h>

#include "device_backend.h"

namespace gpt {

namespace {

bool capability(const std::unordered_map<std::string, c10::IValue>& map, const std::string& name) {
  const auto found = map.find(name);
  return found != map.end() && found->second.isBool() && found->second.toBool();
}

int usable_cores() {
  cpu_set_t cores;
  return sched_getaffinity(0, sizeof cores, &cores) == 0 ? std::max(1, CPU_COUNT(&cores)) : 1;
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

// FLOP/s of a square product, the best of a few.
double measure_product(const c10::Device& device, c10::ScalarType type) {
  const std::int64_t size = device.is_cuda() ? 8192 : 1024;
  const auto options = at::TensorOptions().device(device).dtype(type);
  const at::Tensor a = at::rand({size, size}, options.dtype(at::kFloat)).to(type);
  const at::Tensor b = at::rand({size, size}, options.dtype(at::kFloat)).to(type);
  at::Tensor c = at::mm(a, b);
  synchronize(device);
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    at::mm_out(c, a, b);
    synchronize(device);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * static_cast<double>(size * size * size) / took.count());
  }
  return best;
}

}  // namespace

DeviceFacts device_facts(int cuda_index) {
  DeviceFacts facts;
  const auto cpu = at::cpu::get_cpu_capabilities();
  facts.cpu_bf16 = capability(cpu, "avx512_bf16") || capability(cpu, "amx_bf16");
  facts.cpu_name = cpu_model_name();
  facts.cores = usable_cores();
  add_cuda_facts(facts, cuda_index);
  return facts;
}

void synchronize(const c10::Device& device) {
  if (device.is_cuda()) synchronize_cuda(device.index());
}

double table_peak(const std::string& gpu_name) {
  // NVIDIA's data sheets, dense bf16/fp16 with fp32 accumulation, in TFLOP/s. Longer names first:
  // the first that occurs in the driver's name wins. GeForce cards run at half their fp16 rate
  // when they accumulate in fp32, and those are the figures here.
  static constexpr std::pair<const char*, double> kTable[] = {
      {"H200", 989},        {"H100 PCIe", 756},    {"H100 NVL", 835},   {"H100", 989},
      {"GH200", 989},       {"B200", 2250},        {"A100", 312},       {"A800", 312},
      {"A40", 149.7},       {"A30", 165},          {"A10G", 70},        {"A10", 125},
      {"L40S", 362},        {"L40", 181},          {"L4", 121},         {"RTX 6000 Ada", 364},
      {"RTX A6000", 154.8}, {"RTX 5090", 209.5},   {"RTX 5080", 112.6}, {"RTX 4090", 165.2},
      {"RTX 4080", 97.5},   {"RTX 4070 Ti", 80.2}, {"RTX 4070", 58.3},  {"RTX 4060 Ti", 44.1},
      {"RTX 4060", 30.2},   {"RTX 3090", 71},      {"RTX 3080", 59.5},  {"RTX 3070", 40.6},
      {"RTX 3060", 25.5},   {"V100", 125},         {"T4", 65}};
  for (const auto& [name, tflops] : kTable)
    if (gpu_name.find(name) != std::string::npos) return tflops * 1e12;
  return 0;
}

PeakRate peak_rate(const c10::Device& device, c10::ScalarType type) {
  if (device.is_cuda() && type != at::kFloat) {
    const std::string name = cuda_device_name(device.index());
    if (const double known = table_peak(name); known > 0) return {known, name + ", data sheet"};
  }
  return {measure_product(device, type), "measured product"};
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
