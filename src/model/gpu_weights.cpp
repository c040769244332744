#include "gpu_weights.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace gpt {

namespace {

// Gradients begin at multiples of 256 bytes, as tensors of their own would: wide loads may be used.
std::int64_t padded(std::int64_t elements) {
  constexpr std::int64_t kElements = 64;
  return (elements + kElements - 1) / kElements * kElements;
}

}  // namespace

// The order is that of Gpt::parameters(), which its own tests hold.
GpuWeights::GpuWeights(const ParameterList& parameters, std::int64_t layers, bool bias,
                       at::ScalarType type, bool from_host)
    : h(static_cast<std::size_t>(layers)),
      parameters_(parameters),
      type_(type),
      from_host_(from_host) {
  all_ = {&wte, &wpe};
  const auto add = [&](auto& pair) {
    all_.push_back(&pair.weight);
    if (bias) all_.push_back(&pair.bias);
  };
  for (GpuBlockWeights& block : h) {
    add(block.ln_1);
    add(block.c_attn);
    add(block.c_attn_proj);
    add(block.ln_2);
    add(block.c_fc);
    add(block.c_mlp_proj);
  }
  add(ln_f);
  TORCH_CHECK(all_.size() == parameters.size(), "the model has ", parameters.size(),
              " parameters, its shape asks for ", all_.size());
  for (std::size_t i = 0; i < all_.size(); ++i) all_[i]->master = parameters[i].tensor.detach();
}

void GpuWeights::refresh_copies() {
  if (!stale_) return;
  std::vector<at::Tensor> copies, masters;
  for (GpuWeight* weight : all_) {
    if (weight->master.scalar_type() == type_) {
      weight->copy = weight->master;
      continue;
    }
    if (!weight->copy.defined())
      weight->copy = at::empty(weight->master.sizes(), wte.master.options().dtype(type_));
    if (through_buffer(*weight)) continue;
    copies.push_back(weight->copy);
    masters.push_back(weight->master);
  }
  if (!copies.empty()) at::_foreach_copy_(copies, masters);
  if (from_host_) copy_from_host();
  stale_ = false;
}

bool GpuWeights::through_buffer(const GpuWeight& weight) const {
  return from_host_ && &weight != &wte && &weight != &wpe && weight.master.dim() == 2;
}

// Converted on the device, which is faster at it; the stream keeps transfers and conversions apart.
void GpuWeights::copy_from_host() {
  constexpr std::int64_t kElements = std::int64_t{4} << 20;
  const at::Tensor buffer = at::empty({kElements}, wte.master.options());
  for (const GpuWeight* weight : all_) {
    if (!through_buffer(*weight)) continue;
    const at::Tensor from = weight->master.view({-1}), to = weight->copy.view({-1});
    for (std::int64_t first = 0; first < from.numel(); first += kElements) {
      const std::int64_t count = std::min(kElements, from.numel() - first);
      const at::Tensor passing = buffer.narrow(0, 0, count);
      passing.copy_(from.narrow(0, first, count), /*non_blocking=*/true);
      to.narrow(0, first, count).copy_(passing);
    }
  }
}

void GpuWeights::take_gradients() {
  if (!flat_.defined()) {
    std::int64_t elements = 0;
    for (const GpuWeight* weight : all_) elements += padded(weight->master.numel());
    flat_ = at::empty({elements}, wte.master.options());
    elements = 0;
    for (const GpuWeight* weight : all_) {
      slices_.push_back(
          flat_.narrow(0, elements, weight->master.numel()).view(weight->master.sizes()));
      elements += padded(weight->master.numel());
    }
  }
  const bool fresh = std::none_of(parameters_.begin(), parameters_.end(),
                                  [](const Parameter& p) { return p.tensor.grad().defined(); });
  if (fresh) flat_.zero_();
  for (std::size_t i = 0; i < all_.size(); ++i) {
    at::Tensor& gradient = parameters_[i].tensor.mutable_grad();
    if (!gradient.defined()) gradient = fresh ? slices_[i] : slices_[i].zero_();
    all_[i]->gradient = gradient;
  }
}

bool GpuWeights::owns_gradients() const {
  for (std::size_t i = 0; i < slices_.size(); ++i)
    if (!all_[i]->gradient.is_same(slices_[i])) return false;
  return !slices_.empty();
}

void GpuWeights::release() {
  for (GpuWeight* weight : all_) weight->copy = weight->gradient = at::Tensor();
  slices_.clear();
  flat_ = at::Tensor();
  stale_ = true;
}

}  // namespace gpt
