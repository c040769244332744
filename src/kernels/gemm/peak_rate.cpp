#include "gpt/kernels/gemm/peak_rate.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "gpt/device/device.h"
#include "gpt/device/gpu_table.h"
#include "gpt/device/memory.h"
#include "gpt/device/thread_pool.h"
#include "gpt/kernels/gemm/gemm_backend.h"

namespace gpt {

namespace {

// A way to compute a large product: c = a b; c may become a tensor of another type.
using LargeProduct = std::function<void(at::Tensor& c, const at::Tensor& a, const at::Tensor& b)>;

void at_mm(at::Tensor& c, const at::Tensor& a, const at::Tensor& b) {
  at::mm_out(c, a, b);
}

// oneDNN throws at bfloat16 where it would have to emulate it.
bool onednn_has_bf16() {
  const auto found =
      c10::Dispatcher::singleton().findSchema({"mkldnn::_is_mkldnn_bf16_supported", ""});
  return found && found->typed<bool()>().call();
}

// oneDNN's product, which is faster than what at::mm takes on some CPUs; none where LibTorch has
// none.
LargeProduct onednn_product(c10::ScalarType type) {
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

// Each thread some rows of the result.
template <class T>
LargeProduct own_product() {
  const PackedProducts<T>* own = own_products<T>();
  if (!own) return nullptr;
  return [own](at::Tensor& c, const at::Tensor& a, const at::Tensor& b) {
    const std::int64_t inner = a.size(1), columns = b.size(1);
    if (c.scalar_type() != at::kFloat) c = at::empty({a.size(0), columns}, at::kFloat);
    const T* left = static_cast<const T*>(a.const_data_ptr());
    const T* right = static_cast<const T*>(b.const_data_ptr());
    float* to = c.mutable_data_ptr<float>();
    parallel_ranges(a.size(0), /*grain=*/32, [&](std::int64_t first, std::int64_t last) {
      const Extent size{last - first, columns, inner};
      const at::Tensor space = at::empty({own->workspace_bytes(size)}, at::kByte);
      own->multiply(size, {left + first * inner, inner, true}, {right, columns, false}, {},
                    {to + first * columns, columns}, Into::kReplace,
                    space.mutable_data_ptr<std::uint8_t>());
    });
  };
}

// What this program computes with: LibTorch's own choice, and on the CPU our own products
// (gemm_backend.h), where there are any; on LibTorch's threads.
std::vector<LargeProduct> products_in_use(const c10::Device& device, c10::ScalarType type) {
  std::vector<LargeProduct> products{at_mm};
  if (!device.is_cpu() || (type != at::kFloat && type != at::kBFloat16)) return products;
  if (LargeProduct own = type == at::kFloat ? own_product<float>() : own_product<Bf16>())
    products.push_back(std::move(own));
  return products;
}

// On the CPU also oneDNN's, which takes its time to measure.
std::vector<LargeProduct> large_products(const c10::Device& device, c10::ScalarType type) {
  std::vector<LargeProduct> products = products_in_use(device, type);
  if (device.is_cpu())
    if (LargeProduct onednn = onednn_product(type)) products.push_back(std::move(onednn));
  return products;
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

PeakRate peak_rate(const c10::Device& device, c10::ScalarType type) {
  if (device.is_cuda() && type != at::kFloat) {
    const std::string name = device_name(device);
    if (const double known = table_peak(name); known > 0) return {known, name + ", data sheet"};
  }
  return fastest_of(products_in_use(device, type), device, type);
}

PeakRate measured_peak(const c10::Device& device, c10::ScalarType type) {
  return fastest_of(large_products(device, type), device, type);
}

}  // namespace gpt
