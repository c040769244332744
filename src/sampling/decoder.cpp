#include "gpt/sampling/decoder.h"

#include <map>
#include <string>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/kernels/gemm/skinny_gemm.h"

namespace gpt {

namespace {

// Hands out the tensors of a model by name, each once.
class Weights {
 public:
  Weights(const ParameterList& list, const c10::Device& device) : device_(device) {
    for (const Parameter& parameter : list) tensors_[parameter.name] = parameter.tensor.detach();
  }

  // A size of -1 fits all.
  at::Tensor take(const std::string& name, std::vector<std::int64_t> shape, at::ScalarType type) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end())
      throw InputError("weights: tensor " + name + " is missing; they are not of this model");
    const at::Tensor tensor = found->second;
    tensors_.erase(found);
    bool fits = tensor.dim() == static_cast<std::int64_t>(shape.size());
    for (std::size_t i = 0; fits && i < shape.size(); ++i)
      fits = shape[i] < 0 || shape[i] == tensor.size(static_cast<std::int64_t>(i));
    if (!fits)
      throw InputError(concat("weights: tensor ", name, " has the shape ", tensor.sizes(),
                              ", which does not fit the model's configuration"));
    return tensor.to(device_, type).contiguous();
  }

  void expect_none_left() const {
    if (!tensors_.empty())
      throw InputError("weights: tensor " + tensors_.begin()->first + " is not in this model");
  }

 private:
  c10::Device device_;
  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace

Decoder::Decoder(const ParameterList& weights, const ModelConfig& config, const Compute& compute)
    : config_(config),
      compute_(compute),
      real_(compute.type == at::kDouble ? at::kDouble : at::kFloat) {
  // cuDNN's attention, ATen's first choice on some cards, builds a plan of tens of milliseconds for
  // each new length, and decoding makes one with every token. The switch is the process's; the
  // fused engine, which names its kernel, does not ask it.
  if (compute.device.is_cuda()) at::globalContext().setSDPUseCuDNN(false);
  Weights from(weights, compute.device);
  const std::int64_t C = config.n_embd;
  const auto affine = [&](const std::string& name, std::vector<std::int64_t> shape,
                          at::ScalarType type) {
    const std::int64_t width = shape[0];
    Affine both{from.take(name + ".weight", std::move(shape), type), {}};
    if (config.bias) both.bias = from.take(name + ".bias", {width}, real_);
    return both;
  };
  wte_VC_ = from.take("transformer.wte.weight", {-1, C}, compute.type);
  wpe_TC_ = from.take("transformer.wpe.weight", {-1, C}, real_);
  for (std::int64_t layer = 0; layer < config.n_layer; ++layer) {
    const std::string h = concat("transformer.h.", layer, ".");
    layers_.push_back({.ln_1 = affine(h + "ln_1", {C}, real_),
                       .c_attn = affine(h + "attn.c_attn", {3 * C, C}, compute.type),
                       .attn_proj = affine(h + "attn.c_proj", {C, C}, compute.type),
                       .ln_2 = affine(h + "ln_2", {C}, real_),
                       .c_fc = affine(h + "mlp.c_fc", {4 * C, C}, compute.type),
                       .mlp_proj = affine(h + "mlp.c_proj", {C, 4 * C}, compute.type)});
  }
  ln_f_ = affine("transformer.ln_f", {C}, real_);
  from.expect_none_left();
}

// Few rows: at the speed of memory. Many: a library's product, in the type of the weights.
at::Tensor Decoder::product(const at::Tensor& x_NI, const Affine& linear) const {
  if (skinny_linear_is_faster(x_NI.size(0), linear.weight) && x_NI.scalar_type() == at::kFloat)
    return skinny_linear(x_NI.contiguous(), linear.weight, linear.bias);
  const auto bias = linear.bias.defined() ? std::optional(linear.bias) : std::nullopt;
  if (compute_.type == real_) return at::linear(x_NI, linear.weight, bias);
  const at::Tensor y_NO = at::linear(x_NI.to(compute_.type), linear.weight).to(real_);
  return bias ? y_NO + *bias : y_NO;
}

at::Tensor Decoder::normalised(const at::Tensor& x_BTC, const Affine& norm) const {
  return at::layer_norm(x_BTC, {config_.n_embd}, norm.weight,
                        norm.bias.defined() ? std::optional(norm.bias) : std::nullopt, 1e-5);
}

at::Tensor Decoder::attention(const at::Tensor& x_BTC, std::int64_t layer, KvCache* cache) const {
  const Layer& weights = layers_[static_cast<std::size_t>(layer)];
  const std::int64_t B = x_BTC.size(0), T = x_BTC.size(1), C = x_BTC.size(2);
  const std::int64_t H = config_.n_head;
  const auto qkv = product(x_BTC.reshape({B * T, C}), weights.c_attn)
                       .to(compute_.type)
                       .view({B, T, 3 * C})
                       .split(C, /*dim=*/2);
  const auto by_head = [&](const at::Tensor& part_BTC) {
    return part_BTC.view({B, T, H, C / H}).transpose(1, 2);
  };
  const at::Tensor q_BHTD = by_head(qkv[0]);
  at::Tensor k_BHSD = by_head(qkv[1]), v_BHSD = by_head(qkv[2]);
  const std::int64_t past = cache ? cache->length() : 0;
  if (cache) std::tie(k_BHSD, v_BHSD) = cache->extend(layer, k_BHSD, v_BHSD);
  // Row t sees the past and the new tokens up to itself; a single row sees all.
  std::optional<at::Tensor> seen_TS;
  if (past > 0 && T > 1)
    seen_TS = at::ones({T, past + T}, q_BHTD.options().dtype(at::kBool)).tril(past);
  const at::Tensor y_BHTD =
      at::scaled_dot_product_attention(q_BHTD, k_BHSD, v_BHSD, seen_TS, /*dropout_p=*/0.0,
                                       /*is_causal=*/past == 0 && T > 1);
  const at::Tensor y_NC = y_BHTD.transpose(1, 2).reshape({B * T, C}).to(real_);
  return product(y_NC, weights.attn_proj).view({B, T, C});
}

at::Tensor Decoder::mlp(const at::Tensor& x_BTC, const Layer& layer) const {
  const at::Tensor hidden = product(x_BTC.flatten(0, 1), layer.c_fc);
  return product(at::gelu(hidden, config_.gelu == "tanh" ? "tanh" : "none"), layer.mlp_proj)
      .view(x_BTC.sizes());
}

at::Tensor Decoder::forward(const at::Tensor& tokens_BT, KvCache* cache) const {
  const at::NoGradGuard no_grad;
  const std::int64_t T = tokens_BT.size(1), past = cache ? cache->length() : 0;
  TORCH_CHECK(past + T <= block_size(), "a text of ", past + T,
              " tokens is longer than block_size ", block_size());
  at::Tensor x_BTC = at::embedding(wte_VC_, tokens_BT).to(real_) + wpe_TC_.narrow(0, past, T);
  for (std::int64_t i = 0; i < config_.n_layer; ++i) {
    const Layer& layer = layers_[static_cast<std::size_t>(i)];
    x_BTC = x_BTC + attention(normalised(x_BTC, layer.ln_1), i, cache);
    x_BTC = x_BTC + mlp(normalised(x_BTC, layer.ln_2), layer);
  }
  if (cache) cache->advance(T);
  return normalised(x_BTC, ln_f_);
}

at::Tensor Decoder::logits(const at::Tensor& x_NC) const {
  const at::NoGradGuard no_grad;
  return product(x_NC, {wte_VC_, {}});
}

KvCacheShape Decoder::cache_shape(std::int64_t batch, std::int64_t capacity) const {
  return {.layers = config_.n_layer,
          .batch = batch,
          .heads = config_.n_head,
          .capacity = capacity,
          .head_width = config_.n_embd / config_.n_head};
}

KvCache Decoder::make_cache(std::int64_t batch, std::int64_t capacity) const {
  return {cache_shape(batch, capacity),
          at::TensorOptions().device(compute_.device).dtype(compute_.type)};
}

std::int64_t Decoder::cache_bytes(std::int64_t batch, std::int64_t capacity) const {
  return KvCache::bytes(cache_shape(batch, capacity),
                        static_cast<std::int64_t>(c10::elementSize(compute_.type)));
}

}  // namespace gpt
