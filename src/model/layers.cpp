#include "gpt/model/layers.h"

#include "gpt/kernels/ops/attention.h"
#include "gpt/kernels/ops/dropout.h"

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

Linear::Linear(std::int64_t in, std::int64_t out, bool bias, const c10::Device& device)
    : weight_OI(at::empty({out, in}, device)) {
  if (bias) bias_O = at::zeros({out}, device);
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  return at::linear(x, weight_OI, bias_O.defined() ? std::optional(bias_O) : std::nullopt);
}

void Linear::collect(const std::string& prefix, ParameterList& list) const {
  list.push_back({prefix + ".weight", weight_OI});
  if (bias_O.defined()) list.push_back({prefix + ".bias", bias_O});
}

void Linear::skip_default(InitialDraws& draws) const {
  draws.skip_uniform(weight_OI.numel());
  if (bias_O.defined()) draws.skip_uniform(bias_O.numel());
}

LayerNorm::LayerNorm(std::int64_t width, bool bias, const c10::Device& device)
    : weight_C(at::ones({width}, device)) {
  if (bias) bias_C = at::zeros({width}, device);
}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, weight_C.sizes(), weight_C,
                        bias_C.defined() ? std::optional(bias_C) : std::nullopt, kEpsilon);
}

void LayerNorm::collect(const std::string& prefix, ParameterList& list) const {
  list.push_back({prefix + ".weight", weight_C});
  if (bias_C.defined()) list.push_back({prefix + ".bias", bias_C});
}

SelfAttention::SelfAttention(const ModelConfig& config, const c10::Device& device)
    : c_attn(config.n_embd, 3 * config.n_embd, config.bias, device),
      c_proj(config.n_embd, config.n_embd, config.bias, device),
      heads(config.n_head),
      plain(config.attention == "plain") {}

at::Tensor SelfAttention::operator()(const at::Tensor& x_BTC, std::int64_t layer,
                                     const DropoutState& dropout) const {
  const at::Tensor y_BTC = attend(c_attn(x_BTC), layer, dropout);
  return apply_dropout(c_proj(y_BTC), dropout, layer, kAttentionOutput);
}

at::Tensor SelfAttention::attend(const at::Tensor& qkv, std::int64_t layer,
                                 const DropoutState& dropout) const {
  const std::int64_t B = qkv.size(0), T = qkv.size(1), C = qkv.size(2) / 3;
  const auto parts = qkv.split(C, /*dim=*/2);
  const auto by_head = [&](const at::Tensor& part_BTC) {
    return part_BTC.view({B, T, heads, C / heads}).transpose(1, 2);
  };
  const at::Tensor q_BHTD = by_head(parts[0]), k_BHTD = by_head(parts[1]),
                   v_BHTD = by_head(parts[2]);
  const bool drop = dropout.on && dropout.p > 0;
  const at::Tensor y_BHTD =
      plain || drop ? plain_causal_attention(q_BHTD, k_BHTD, v_BHTD, drop ? dropout.p : 0.0,
                                             dropout.sequence_B,
                                             {dropout.seed, dropout.step, layer, kAttentionWeights})
                    : causal_attention(q_BHTD, k_BHTD, v_BHTD);
  return y_BHTD.transpose(1, 2).contiguous().view({B, T, C});
}

Mlp::Mlp(const ModelConfig& config, const c10::Device& device)
    : c_fc(config.n_embd, 4 * config.n_embd, config.bias, device),
      c_proj(4 * config.n_embd, config.n_embd, config.bias, device),
      gelu(config.gelu == "tanh" ? "tanh" : "none") {}

at::Tensor Mlp::operator()(const at::Tensor& x_BTC, std::int64_t layer,
                           const DropoutState& dropout) const {
  return apply_dropout(c_proj(at::gelu(c_fc(x_BTC), gelu)), dropout, layer, kMlpOutput);
}

Block::Block(const ModelConfig& config, const c10::Device& device)
    : ln_1(config.n_embd, config.bias, device),
      attn(config, device),
      ln_2(config.n_embd, config.bias, device),
      mlp(config, device) {}

at::Tensor Block::operator()(const at::Tensor& x_BTC, std::int64_t layer,
                             const DropoutState& dropout) const {
  const at::Tensor y_BTC = x_BTC + attn(ln_1(x_BTC), layer, dropout);
  return y_BTC + mlp(ln_2(y_BTC), layer, dropout);
}

void Block::collect(const std::string& prefix, ParameterList& list) const {
  ln_1.collect(prefix + ".ln_1", list);
  attn.c_attn.collect(prefix + ".attn.c_attn", list);
  attn.c_proj.collect(prefix + ".attn.c_proj", list);
  ln_2.collect(prefix + ".ln_2", list);
  mlp.c_fc.collect(prefix + ".mlp.c_fc", list);
  mlp.c_proj.collect(prefix + ".mlp.c_proj", list);
}

void Block::skip_defaults(InitialDraws& draws) const {
  for (const Linear* linear : {&attn.c_attn, &attn.c_proj, &mlp.c_fc, &mlp.c_proj})
    linear->skip_default(draws);
}

void Block::draw(InitialDraws& draws) const {
  draws.normal(attn.c_attn.weight_OI, kInitStd);
  draws.skip_normal(attn.c_proj.weight_OI.numel());
  draws.normal(mlp.c_fc.weight_OI, kInitStd);
  draws.skip_normal(mlp.c_proj.weight_OI.numel());
}

void Block::draw_projections(InitialDraws& draws, double std) const {
  draws.normal(attn.c_proj.weight_OI, std);
  draws.normal(mlp.c_proj.weight_OI, std);
}

}  // namespace gpt
