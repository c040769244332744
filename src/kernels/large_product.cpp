#include "large_product.h"

#include <string_view>

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include "gpt/kernels/parallel.h"
#include "gpt/kernels/product_set.h"

namespace gpt {

namespace {

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

}  // namespace

std::vector<LargeProduct> products_in_use(const c10::Device& device, c10::ScalarType type) {
  std::vector<LargeProduct> products{at_mm};
  if (!device.is_cpu() || (type != at::kFloat && type != at::kBFloat16)) return products;
  if (LargeProduct own = type == at::kFloat ? own_product<float>() : own_product<Bf16>())
    products.push_back(std::move(own));
  return products;
}

std::vector<LargeProduct> large_products(const c10::Device& device, c10::ScalarType type) {
  std::vector<LargeProduct> products = products_in_use(device, type);
  if (device.is_cpu())
    if (LargeProduct onednn = onednn_product(type)) products.push_back(std::move(onednn));
  return products;
}

}  // namespace gpt
