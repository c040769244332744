#include "tensor_weights.h"

#include <algorithm>
#include <iterator>

#include <ATen/ATen.h>

#include "gpt/kernels/ops/lm_head.h"

namespace gpt {

namespace {

// Gradients begin at multiples of 256 bytes, as tensors of their own would: wide loads may be used.
std::int64_t padded(std::int64_t elements) {
  constexpr std::int64_t kElements = 64;
  return (elements + kElements - 1) / kElements * kElements;
}

// Each has the weight and the bias that follow each other in kBlockParameters.
constexpr TensorAffine TensorBlockWeights::*kAffines[] = {
    &TensorBlockWeights::ln_1, &TensorBlockWeights::c_attn, &TensorBlockWeights::c_attn_proj,
    &TensorBlockWeights::ln_2, &TensorBlockWeights::c_fc,   &TensorBlockWeights::c_mlp_proj,
};
static_assert(2 * std::size(kAffines) == std::size(kBlockParameters));

}  // namespace

TensorWeights::TensorWeights(const Gpt& model, at::ScalarType type, bool from_host)
    : h(static_cast<std::size_t>(model.layers())),
      table_(model.table()),
      parameters_(model.parameters()),
      type_(type),
      from_host_(from_host) {
  const bool bias = is_bias(table_.back().role);
  const auto add = [&](TensorAffine& affine) {
    all_.push_back(&affine.weight);
    if (bias) all_.push_back(&affine.bias);
  };
  all_ = {&wte, &wpe};
  for (TensorBlockWeights& block : h)
    for (const auto affine : kAffines) add(block.*affine);
  add(ln_f);
  TORCH_CHECK(all_.size() == table_.size(), "the model has ", table_.size(),
              " parameters, the engine knows ", all_.size());
  for (std::size_t i = 0; i < all_.size(); ++i) all_[i]->master = parameters_[i].tensor.detach();
}

std::int64_t TensorWeights::head_rows() const {
  const std::int64_t vocab = wte.master.size(0);
  return wte.master.scalar_type() == type_ ? vocab : padded_vocabulary(vocab);
}

at::Tensor TensorWeights::head_gradient() const {
  if (slices_.empty() || !wte.gradient.is_same(slices_.front())) return wte.gradient;
  const std::int64_t rows = head_rows(), width = wte.master.size(1);
  return flat_.narrow(0, 0, rows * width).view({rows, width});
}

void TensorWeights::refresh_copies() {
  if (!stale_) return;
  if (!head_copy_.defined()) {
    const auto options = wte.master.options().dtype(type_);
    head_copy_ = wte.master.scalar_type() == type_
                     ? wte.master
                     : at::zeros({head_rows(), wte.master.size(1)}, options);
    wte.copy = head_copy_.narrow(0, 0, wte.master.size(0));
  }
  std::vector<at::Tensor> copies, masters;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    TensorWeight* weight = all_[i];
    if (weight->master.scalar_type() == type_) {
      weight->copy = weight->master;
      continue;
    }
    if (!weight->copy.defined())
      weight->copy = at::empty(weight->master.sizes(), wte.master.options().dtype(type_));
    if (through_buffer(i)) continue;
    copies.push_back(weight->copy);
    masters.push_back(weight->master);
  }
  if (!copies.empty()) at::_foreach_copy_(copies, masters);
  if (from_host_) copy_from_host();
  stale_ = false;
}

bool TensorWeights::through_buffer(std::size_t i) const {
  return from_host_ && is_gemm_weight(table_[i].role);
}

// Converted on the device, which is faster at it; the stream keeps transfers and conversions apart.
void TensorWeights::copy_from_host() {
  constexpr std::int64_t kElements = std::int64_t{4} << 20;
  const at::Tensor buffer = at::empty({kElements}, wte.master.options());
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (!through_buffer(i)) continue;
    const TensorWeight* weight = all_[i];
    const at::Tensor from = weight->master.view({-1}), to = weight->copy.view({-1});
    for (std::int64_t first = 0; first < from.numel(); first += kElements) {
      const std::int64_t count = std::min(kElements, from.numel() - first);
      const at::Tensor passing = buffer.narrow(0, 0, count);
      passing.copy_(from.narrow(0, first, count), /*non_blocking=*/true);
      to.narrow(0, first, count).copy_(passing);
    }
  }
}

void TensorWeights::take_gradients() {
  if (!flat_.defined()) {
    std::int64_t elements = 0;
    const auto slot_size = [this](const TensorWeight* weight) {
      return padded(weight == &wte ? head_rows() * wte.master.size(1) : weight->master.numel());
    };
    for (const TensorWeight* weight : all_) elements += slot_size(weight);
    flat_ = at::zeros({elements}, wte.master.options());
    elements = 0;
    for (const TensorWeight* weight : all_) {
      slices_.push_back(
          flat_.narrow(0, elements, weight->master.numel()).view(weight->master.sizes()));
      elements += slot_size(weight);
    }
  }
  const bool fresh = std::none_of(parameters_.begin(), parameters_.end(),
                                  [](const Parameter& p) { return p.tensor.grad().defined(); });
  if (fresh) flat_.zero_();
  for (std::size_t i = 0; i < all_.size(); ++i) {
    at::Tensor& gradient = parameters_[i].tensor.mutable_grad();
    const bool ours = !gradient.defined();
    if (ours) gradient = slices_[i];
    all_[i]->gradient = gradient;
    if (ours && !fresh) (i == 0 ? head_gradient() : gradient).zero_();
  }
}

bool TensorWeights::owns_gradients() const {
  for (std::size_t i = 0; i < slices_.size(); ++i)
    if (!all_[i]->gradient.is_same(slices_[i])) return false;
  return !slices_.empty();
}

std::vector<at::Tensor> TensorWeights::gradient_buffers() const {
  if (owns_gradients()) return {flat_};
  std::vector<at::Tensor> all;
  for (const TensorWeight* weight : all_) all.push_back(weight->gradient);
  return all;
}

std::vector<TensorWeights::Part> TensorWeights::gradient_parts() const {
  constexpr std::int64_t kLeast = std::int64_t{1} << 20;  // elements
  std::vector<Part> parts;
  std::int64_t end = flat_.numel();
  for (auto layer = static_cast<std::int64_t>(h.size()) - 1; layer >= 0; --layer) {
    const std::int64_t begin =
        h[static_cast<std::size_t>(layer)].ln_1.weight.gradient.storage_offset();
    if (end - begin < kLeast) continue;
    parts.push_back({flat_.narrow(0, begin, end - begin), layer});
    end = begin;
  }
  parts.push_back({flat_.narrow(0, 0, end), -1});
  return parts;
}

void TensorWeights::release() {
  for (TensorWeight* weight : all_) weight->copy = weight->gradient = at::Tensor();
  head_copy_ = at::Tensor();
  slices_.clear();
  flat_ = at::Tensor();
  stale_ = true;
}

}  // namespace gpt
