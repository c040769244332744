#include "gpt/kernels/gemm/peak_rate.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "gpt/device/device.h"
#include "gpt/device/gpu_table.h"
#include "gpt/device/memory.h"
#include "gpt/kernels/gemm/gemm_backend.h"

namespace gpt {

namespace {

// A way to compute a large GEMM: c = a b; c may become a tensor of another type.
using LargeGemm = std::function<void(at::Tensor& c, const at::Tensor& a, const at::Tensor& b)>;

void at_mm(at::Tensor& c, const at::Tensor& a, const at::Tensor& b) {
  at::mm_out(c, a, b);
}

// oneDNN throws at bfloat16 where it would have to emulate it.
bool onednn_has_bf16() {
  const auto found =
      c10::Dispatcher::singleton().findSchema({"mkldnn::_is_mkldnn_bf16_supported", ""});
  return found && found->typed<bool()>().call();
}

// oneDNN's GEMM, which is faster than what at::mm takes on some CPUs; null where LibTorch has none.
LargeGemm onednn_gemm(c10::ScalarType type) {
  using Linear = at::Tensor(const at::Tensor&, const at::Tensor&, const std::optional<at::Tensor>&,
                            std::string_view, c10::List<std::optional<at::Scalar>>,
                            std::optional<std::string_view>);
  const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
  if (!found || !at::globalContext().userEnabledMkldnn()) return nullptr;
  if (type == at::kBFloat16 && !onednn_has_bf16()) return nullptr;
  return [op = found->typed<Linear>()](at::Tensor& c, const at::Tensor& a, const at::Tensor& b) {
    c = op.call(a, b, std::nullopt, "none", c10::List<std::optional<at::Scalar>>(), "");
  };
}

// Each thread computes some rows of c.
template <class T>
LargeGemm native_large_gemm() {
  const NativeGemm<T>* native = native_gemm<T>();
  if (!native) return nullptr;
  return [native](at::Tensor& c, const at::Tensor& a, const at::Tensor& b) {
    const std::int64_t K = a.size(1), N = b.size(1);
    if (c.scalar_type() != at::kFloat) c = at::empty({a.size(0), N}, at::kFloat);
    const T* a_data = static_cast<const T*>(a.const_data_ptr());
    const T* b_data = static_cast<const T*>(b.const_data_ptr());
    float* to = c.mutable_data_ptr<float>();
    at::parallel_for(0, a.size(0), /*grain_size=*/32, [&](std::int64_t first, std::int64_t last) {
      const GemmShape size{last - first, N, K};
      const at::Tensor space = at::empty({native->workspace_bytes(size)}, at::kByte);
      native->multiply(size, {a_data + first * K, K, true}, {b_data, N, false}, {},
                       {to + first * N, N}, Into::kReplace, space.mutable_data_ptr<std::uint8_t>());
    });
  };
}

// What this program computes with: LibTorch's own choice, and on the CPU the native backend
// (gemm_backend.h), where there is one; on LibTorch's threads.
std::vector<LargeGemm> gemms_in_use(const c10::Device& device, c10::ScalarType type) {
  std::vector<LargeGemm> gemms{at_mm};
  if (!device.is_cpu() || (type != at::kFloat && type != at::kBFloat16)) return gemms;
  if (LargeGemm native =
          type == at::kFloat ? native_large_gemm<float>() : native_large_gemm<Bf16>())
    gemms.push_back(std::move(native));
  return gemms;
}

// On the CPU also oneDNN's, which takes long to measure.
std::vector<LargeGemm> large_gemms(const c10::Device& device, c10::ScalarType type) {
  std::vector<LargeGemm> gemms = gemms_in_use(device, type);
  if (device.is_cpu())
    if (LargeGemm onednn = onednn_gemm(type)) gemms.push_back(std::move(onednn));
  return gemms;
}

// FLOP/s of a square GEMM, the best of a few and of those in a tenth of a second, in which clocks
// rise; of one, if it takes long (bfloat16 on a CPU that has none: seconds).
double measure_gemm(const c10::Device& device, c10::ScalarType type, const LargeGemm& gemm) {
  const std::int64_t size = device.is_cuda() ? 8192 : 1024;
  const auto options = at::TensorOptions().device(device).dtype(type);
  const at::Tensor a = at::rand({size, size}, options.dtype(at::kFloat)).to(type);
  const at::Tensor b = at::rand({size, size}, options.dtype(at::kFloat)).to(type);
  at::Tensor c = at::empty({size, size}, a.options());
  gemm(c, a, b);
  synchronize(device);
  constexpr double kLeast = 0.1, kEnough = 0.5;  // seconds
  double best = 0, all = 0;
  for (int i = 0; (i < 5 || all < kLeast) && all < kEnough; ++i) {
    const auto start = std::chrono::steady_clock::now();
    gemm(c, a, b);
    synchronize(device);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    all += took.count();
    best = std::max(best, 2.0 * static_cast<double>(size * size * size) / took.count());
  }
  return best;
}

PeakRate fastest_of(const std::vector<LargeGemm>& gemms, const c10::Device& device,
                    c10::ScalarType type) {
  double best = 0;
  for (const LargeGemm& gemm : gemms) best = std::max(best, measure_gemm(device, type, gemm));
  // Otherwise a plan would take the cached matrices, of hundreds of MiB, for those of others.
  if (device.is_cuda()) release_cached_memory(device);
  return {best, "measured product"};
}

}  // namespace

PeakRate peak_rate(const c10::Device& device, c10::ScalarType type) {
  if (device.is_cuda() && type != at::kFloat) {
    const std::string name = driver_name(device);
    if (const double known = table_peak(name); known > 0) return {known, name + ", data sheet"};
  }
  return fastest_of(gemms_in_use(device, type), device, type);
}

PeakRate raised(const PeakRate& peak, double reached) {
  return reached > peak.flops ? PeakRate{reached, "this run, above a " + peak.source} : peak;
}

PeakRate measured_peak(const c10::Device& device, c10::ScalarType type) {
  return fastest_of(large_gemms(device, type), device, type);
}

}  // namespace gpt
