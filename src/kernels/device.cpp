#include "gpt/kernels/device.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sched.h>
#include <stdlib.h>
#include <utility>

#include <ATen/Context.h>
#include <ATen/cpu/Utils.h>

#include "gpt/kernels/device_memory.h"
#include "gpt/kernels/gpu_table.h"

#include "device_backend.h"
#include "large_product.h"

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

// FLOP/s of a square product, the best of a few; of one, if it takes long (bfloat16 on a CPU that
// has none: seconds).
double measure_product(const c10::Device& device, c10::ScalarType type,
                       const LargeProduct& product) {
  const std::int64_t size = device.is_cuda() ? 8192 : 1024;
  const auto options = at::TensorOptions().device(device).dtype(type);
  const at::Tensor a = at::rand({size, size}, options.dtype(at::kFloat)).to(type);
  const at::Tensor b = at::rand({size, size}, options.dtype(at::kFloat)).to(type);
  at::Tensor c = at::empty({size, size}, a.options());
  product(c, a, b);
  synchronize(device);
  constexpr double kEnough = 0.5;  // seconds
  double best = 0, all = 0;
  for (int i = 0; i < 5 && all < kEnough; ++i) {
    const auto start = std::chrono::steady_clock::now();
    product(c, a, b);
    synchronize(device);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    all += took.count();
    best = std::max(best, 2.0 * static_cast<double>(size * size * size) / took.count());
  }
  return best;
}

PeakRate fastest_of(const std::vector<LargeProduct>& products, const c10::Device& device,
                    c10::ScalarType type) {
  double best = 0;
  for (const LargeProduct& product : products)
    best = std::max(best, measure_product(device, type, product));
  // Else a plan would take a GPU's cached factors, of hundreds of MiB, for somebody else's.
  if (device.is_cuda()) release_cached_memory(device);
  return {best, "measured product"};
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

void use_device(const c10::Device& device) {
  if (device.is_cuda()) use_cuda_device(device.index());
}

void synchronize(const c10::Device& device) {
  if (device.is_cuda()) synchronize_cuda(device.index());
}

double table_peak(const std::string& gpu_name) {
  const GpuFacts* gpu = find_gpu(gpu_name);
  return gpu ? gpu->tflops * 1e12 : 0;
}

PeakRate peak_rate(const c10::Device& device, c10::ScalarType type) {
  if (device.is_cuda() && type != at::kFloat) {
    const std::string name = cuda_device_name(device.index());
    if (const double known = table_peak(name); known > 0) return {known, name + ", data sheet"};
  }
  return fastest_of(products_in_use(device, type), device, type);
}

PeakRate measured_peak(const c10::Device& device, c10::ScalarType type) {
  return fastest_of(large_products(device, type), device, type);
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
