#include "gpt/model/layers.h"

#include "gpt/kernels/ops/attention.h"
#include "gpt/kernels/ops/dropout.h"
#include "gpt/kernels/ops/layer_norm_epsilon.h"

namespace gpt {

DropoutState on_device(DropoutState dropout, const c10::Device& device) {
  if (dropout.on && dropout.p > 0 && !device.is_cpu())
    dropout.sequence_B = dropout.sequence_B.pin_memory().to(device, /*non_blocking=*/true);
  return dropout;
}

at::Tensor apply_dropout(const at::Tensor& x, const DropoutState& dropout, std::int64_t layer,
                         int site) {
  if (!dropout.on || dropout.p == 0) return x;
  return keyed_dropout(x, dropout.p, dropout.sequence_B,
                       {.seed = dropout.seed, .step = dropout.step, .layer = layer, .site = site});
}

namespace {

at::Tensor weight_of(const TensorMap& tensors, const std::string& prefix) {
  return tensors.at(prefix + ".weight");
}

// Undefined where the model has no biases.
at::Tensor bias_of(const TensorMap& tensors, const std::string& prefix) {
  const auto found = tensors.find(prefix + ".bias");
  return found == tensors.end() ? at::Tensor() : found->second;
}

}  // namespace

Linear::Linear(const TensorMap& tensors, const std::string& prefix)
    : weight_OI(weight_of(tensors, prefix)), bias_O(bias_of(tensors, prefix)) {}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  return at::linear(x, weight_OI, bias_O.defined() ? std::optional(bias_O) : std::nullopt);
}

LayerNorm::LayerNorm(const TensorMap& tensors, const std::string& prefix)
    : weight_C(weight_of(tensors, prefix)), bias_C(bias_of(tensors, prefix)) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, weight_C.sizes(), weight_C,
                        bias_C.defined() ? std::optional(bias_C) : std::nullopt, kLayerNormEpsilon);
}

SelfAttention::SelfAttention(const ModelConfig& config, const TensorMap& tensors,
                             const std::string& prefix)
    : c_attn(tensors, prefix + "c_attn"),
      c_proj(tensors, prefix + "c_proj"),
      heads(config.n_head),
      plain(config.attention == "plain") {}

at::Tensor SelfAttention::operator()(const at::Tensor& x_BTC, std::int64_t layer,
                                     const DropoutState& dropout,
                                     const at::Tensor& mask_B1TT) const {
  const at::Tensor y_BTC = attend(c_attn(x_BTC), layer, dropout, mask_B1TT);
  return apply_dropout(c_proj(y_BTC), dropout, layer, kAttentionOutput);
}

std::array<at::Tensor, 3> SelfAttention::split_heads(const at::Tensor& qkv_BTK) const {
  const std::int64_t B = qkv_BTK.size(0), T = qkv_BTK.size(1), C = qkv_BTK.size(2) / 3;
  const auto parts = qkv_BTK.split(C, /*dim=*/2);
  const auto by_head = [&](const at::Tensor& part_BTC) {
    return part_BTC.view({B, T, heads, C / heads}).transpose(1, 2);
  };
  return {by_head(parts[0]), by_head(parts[1]), by_head(parts[2])};
}

at::Tensor SelfAttention::attend(const at::Tensor& qkv, std::int64_t layer,
                                 const DropoutState& dropout, const at::Tensor& mask_B1TT) const {
  const auto [q_BHTD, k_BHTD, v_BHTD] = split_heads(qkv);
  const bool drop = dropout.on && dropout.p > 0;
  const at::Tensor y_BHTD =
      plain || drop ? plain_causal_attention(
                          q_BHTD, k_BHTD, v_BHTD, drop ? dropout.p : 0.0, dropout.sequence_B,
                          {dropout.seed, dropout.step, layer, kAttentionWeights}, mask_B1TT)
                    : causal_attention(q_BHTD, k_BHTD, v_BHTD, mask_B1TT);
  return y_BHTD.transpose(1, 2).contiguous().view({qkv.size(0), qkv.size(1), qkv.size(2) / 3});
}

Mlp::Mlp(const ModelConfig& config, const TensorMap& tensors, const std::string& prefix)
    : c_fc(tensors, prefix + "c_fc"),
      c_proj(tensors, prefix + "c_proj"),
      gelu(config.gelu == "tanh" ? "tanh" : "none") {}

at::Tensor Mlp::operator()(const at::Tensor& x_BTC, std::int64_t layer,
                           const DropoutState& dropout) const {
  return apply_dropout(c_proj(at::gelu(c_fc(x_BTC), gelu)), dropout, layer, kMlpOutput);
}

Block::Block(const ModelConfig& config, const TensorMap& tensors, const std::string& prefix)
    : ln_1(tensors, prefix + "ln_1"),
      attn(config, tensors, prefix + "attn."),
      ln_2(tensors, prefix + "ln_2"),
      mlp(config, tensors, prefix + "mlp.") {}

at::Tensor Block::operator()(const at::Tensor& x_BTC, std::int64_t layer,
                             const DropoutState& dropout, const at::Tensor& mask_B1TT) const {
  const at::Tensor y_BTC = x_BTC + attn(ln_1(x_BTC), layer, dropout, mask_B1TT);
  return y_BTC + mlp(ln_2(y_BTC), layer, dropout);
}

}  // namespace gpt
