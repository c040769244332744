#include "gpt/sampling/decoder.h"

#include <limits>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/kernels/gemm/skinny_gemm.h"
#include "gpt/kernels/ops/attention.h"
#include "gpt/model/parameter_table.h"

namespace gpt {

namespace {

// The activations' type: float64 only where everything is.
at::ScalarType real_type(const Compute& compute) {
  return compute.type == at::kDouble ? at::kDouble : at::kFloat;
}

std::int64_t rows_of(const std::map<std::string, at::Tensor>& given, const std::string& name) {
  const auto found = given.find(name);
  return found == given.end() || found->second.dim() == 0 ? 0 : found->second.size(0);
}

// All of the model's tensors, each in the type that the decoder keeps it in.
TensorMap converted(const ParameterList& weights, const ModelConfig& config,
                    const Compute& compute) {
  std::map<std::string, at::Tensor> given;
  for (const Parameter& parameter : weights) given[parameter.name] = parameter.tensor.detach();
  const ModelShape shape{config, rows_of(given, "transformer.wte.weight"),
                         rows_of(given, "transformer.wpe.weight")};
  TensorMap tensors;
  for (const ParameterShape& parameter : parameter_table(shape)) {
    const auto found = given.find(parameter.name);
    if (found == given.end())
      throw InputError("weights: tensor " + parameter.name +
                       " is missing; they are not of this model");
    if (found->second.sizes() != parameter.shape)
      throw InputError(concat("weights: tensor ", parameter.name, " has the shape ",
                              found->second.sizes(), ", which does not fit the model's ",
                              "configuration: expected ", shape_text(parameter.shape)));
    const bool of_a_gemm =
        is_gemm_weight(parameter.role) || parameter.role == ParameterRole::kTokenEmbedding;
    const at::ScalarType type = of_a_gemm ? compute.type : real_type(compute);
    tensors[parameter.name] = found->second.to(compute.device, type).contiguous();
    given.erase(found);
  }
  if (!given.empty())
    throw InputError("weights: tensor " + given.begin()->first + " is not in this model");
  return tensors;
}

}  // namespace

Decoder::Decoder(const ParameterList& weights, const ModelConfig& config, const Compute& compute)
    : Decoder(converted(weights, config, compute), config, compute) {}

Decoder::Decoder(const TensorMap& tensors, const ModelConfig& config, const Compute& compute)
    : config_(config),
      compute_(compute),
      real_(real_type(compute)),
      wte_VC_(tensors.at("transformer.wte.weight")),
      wpe_TC_(tensors.at("transformer.wpe.weight")),
      ln_f_(tensors, "transformer.ln_f") {
  for (std::int64_t layer = 0; layer < config.n_layer; ++layer)
    h_.emplace_back(config, tensors, concat("transformer.h.", layer, "."));
  // cuDNN's attention, ATen's first choice on some cards, builds a plan of tens of milliseconds for
  // each new length, and decoding makes one with every token. The switch is the process's; the
  // fused engine, which names its kernel, does not ask it.
  if (compute.device.is_cuda()) at::globalContext().setSDPUseCuDNN(false);
}

// Few rows: at the speed of memory. Many: a library's matmul, in the type of the weights.
at::Tensor Decoder::linear(const at::Tensor& x_NI, const at::Tensor& weight_OI,
                           const at::Tensor& bias_O) const {
  if (skinny_linear_is_faster(x_NI.size(0), weight_OI) && x_NI.scalar_type() == at::kFloat)
    return skinny_linear(x_NI.contiguous(), weight_OI, bias_O);
  const auto bias = bias_O.defined() ? std::optional(bias_O) : std::nullopt;
  if (compute_.type == real_) return at::linear(x_NI, weight_OI, bias);
  const at::Tensor y_NO = at::linear(x_NI.to(compute_.type), weight_OI).to(real_);
  return bias ? y_NO + *bias : y_NO;
}

// What the new tokens see of the past and of themselves, as scaled_dot_product_attention takes it;
// undefined where that is all there is, or, without a past, what is causal. The cache gets to know
// where the documents of the next tokens begin.
at::Tensor Decoder::seen_by(const at::Tensor& tokens_BT, KvCache* cache) const {
  const std::int64_t T = tokens_BT.size(1), past = cache ? cache->length() : 0;
  if (!document_end_) {
    if (past == 0 || T == 1) return {};
    return at::ones({T, past + T}, tokens_BT.options().dtype(at::kBool)).tril(past);
  }
  at::Tensor start_BT = document_starts(tokens_BT, *document_end_);
  if (past > 0) {
    // Where no end token is among the new ones before a token.
    const at::Tensor before_B = cache->document_start_B();
    const at::Tensor other_B1 =
        before_B.defined() ? before_B.unsqueeze(1) : at::zeros_like(start_BT);
    start_BT = at::where(start_BT > 0, start_BT + past, other_B1);
  }
  if (cache)
    cache->set_document_start(at::where(tokens_BT.select(1, T - 1) == *document_end_, past + T,
                                        start_BT.select(1, T - 1)));
  const at::Tensor column_S = at::arange(past + T, tokens_BT.options());
  const at::Tensor row_T1 = at::arange(past, past + T, tokens_BT.options()).unsqueeze(1);
  const at::Tensor hidden_BTS = (column_S < start_BT.unsqueeze(2)).logical_or_(column_S > row_T1);
  return at::zeros(hidden_BTS.sizes(), tokens_BT.options().dtype(compute_.type))
      .masked_fill_(hidden_BTS, -std::numeric_limits<double>::infinity())
      .unsqueeze(1);
}

at::Tensor Decoder::attention(const at::Tensor& x_BTC, std::int64_t layer, KvCache* cache,
                              const at::Tensor& seen) const {
  const SelfAttention& attn = h_[static_cast<std::size_t>(layer)].attn;
  const std::int64_t B = x_BTC.size(0), T = x_BTC.size(1), C = x_BTC.size(2);
  const at::Tensor qkv =
      linear(x_BTC.reshape({B * T, C}), attn.c_attn.weight_OI, attn.c_attn.bias_O)
          .to(compute_.type)
          .view({B, T, 3 * C});
  const auto [q_BHTD, k_BHTD, v_BHTD] = attn.split_heads(qkv);
  at::Tensor k_BHSD = k_BHTD, v_BHSD = v_BHTD;
  if (cache) std::tie(k_BHSD, v_BHSD) = cache->extend(layer, k_BHSD, v_BHSD);
  const bool masked = seen.defined(), past = cache && cache->length() > 0;
  const at::Tensor y_BHTD = at::scaled_dot_product_attention(
      q_BHTD, k_BHSD, v_BHSD, masked ? std::optional(seen) : std::nullopt, /*dropout_p=*/0.0,
      /*is_causal=*/!masked && !past && T > 1);
  const at::Tensor y_NC = y_BHTD.transpose(1, 2).reshape({B * T, C}).to(real_);
  return linear(y_NC, attn.c_proj.weight_OI, attn.c_proj.bias_O).view({B, T, C});
}

at::Tensor Decoder::mlp(const at::Tensor& x_BTC, const Mlp& mlp) const {
  const at::Tensor hidden = linear(x_BTC.flatten(0, 1), mlp.c_fc.weight_OI, mlp.c_fc.bias_O);
  return linear(at::gelu(hidden, mlp.gelu), mlp.c_proj.weight_OI, mlp.c_proj.bias_O)
      .view(x_BTC.sizes());
}

at::Tensor Decoder::forward(const at::Tensor& tokens_BT, KvCache* cache) const {
  const at::NoGradGuard no_grad;
  const std::int64_t T = tokens_BT.size(1), past = cache ? cache->length() : 0;
  TORCH_CHECK(past + T <= block_size(), "a text of ", past + T,
              " tokens is longer than block_size ", block_size());
  at::Tensor x_BTC = at::embedding(wte_VC_, tokens_BT).to(real_) + wpe_TC_.narrow(0, past, T);
  const at::Tensor seen = seen_by(tokens_BT, cache);
  for (std::int64_t i = 0; i < config_.n_layer; ++i) {
    const Block& block = h_[static_cast<std::size_t>(i)];
    x_BTC = x_BTC + attention(block.ln_1(x_BTC), i, cache, seen);
    x_BTC = x_BTC + mlp(block.ln_2(x_BTC), block.mlp);
  }
  if (cache) cache->advance(T);
  return ln_f_(x_BTC);
}

at::Tensor Decoder::logits(const at::Tensor& x_NC) const {
  const at::NoGradGuard no_grad;
  return linear(x_NC, wte_VC_, {});
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
