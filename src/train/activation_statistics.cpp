#include "gpt/train/activation_statistics.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/strings.h"
#include "gpt/model/layers.h"

namespace gpt {

namespace {

// Weights may lie in the host's memory (optimizer_offload=all): one at a time is copied.
at::Tensor on(const at::Tensor& weight, const at::Tensor& like) {
  return weight.to(like.device());
}

at::Tensor linear(const Linear& layer, const at::Tensor& x_TI) {
  const auto bias = layer.bias_O.defined() ? std::optional(on(layer.bias_O, x_TI)) : std::nullopt;
  return at::linear(x_TI, on(layer.weight_OI, x_TI), bias);
}

at::Tensor root_mean_square(const at::Tensor& x) {
  return x.square().mean().sqrt().to(at::kDouble);
}

// Attention written out, a few queries at a time. Entropies: (H), summed over tokens.
at::Tensor attention(const SelfAttention& attn, const at::Tensor& x_TC, at::Tensor& entropy_H) {
  constexpr std::int64_t kQueries = 64;
  const std::int64_t T = x_TC.size(0), C = x_TC.size(1);
  const auto [q_1HTD, k_1HTD, v_1HTD] = attn.split_heads(linear(attn.c_attn, x_TC).unsqueeze(0));
  const at::Tensor q_HTD = q_1HTD[0], k_HTD = k_1HTD[0], v_HTD = v_1HTD[0];
  const double scale = 1 / std::sqrt(static_cast<double>(C / attn.heads));
  entropy_H = at::zeros({attn.heads}, x_TC.options());
  std::vector<at::Tensor> parts_HQD;
  for (std::int64_t first = 0; first < T; first += kQueries) {
    const std::int64_t count = std::min(kQueries, T - first), seen = first + count;
    at::Tensor log_HQS =
        at::matmul(q_HTD.narrow(1, first, count) * scale, k_HTD.narrow(1, 0, seen).transpose(1, 2));
    const at::Tensor hidden_QS =
        at::ones({count, seen}, x_TC.options().dtype(at::kBool)).triu(first + 1);
    log_HQS = log_HQS.masked_fill_(hidden_QS, -INFINITY).log_softmax(-1);
    const at::Tensor weight_HQS = log_HQS.exp();
    parts_HQD.push_back(at::matmul(weight_HQS, v_HTD.narrow(1, 0, seen)));
    // What is hidden has weight 0, whose logarithm plays no part.
    entropy_H -= log_HQS.masked_fill_(hidden_QS, 0).mul_(weight_HQS).sum({1, 2});
  }
  const at::Tensor y_HTD = at::cat(parts_HQD, 1);
  return linear(attn.c_proj, y_HTD.transpose(0, 1).reshape({T, C}));
}

at::Tensor mlp(const Mlp& mlp, const at::Tensor& x_TC, at::Tensor& dead) {
  constexpr double kDead = 1e-3;
  const at::Tensor hidden_TK = at::gelu(linear(mlp.c_fc, x_TC), mlp.gelu);
  const auto [low_K, high_K] = at::aminmax(hidden_TK, /*dim=*/0);
  dead = at::maximum(-low_K, high_K).lt(kDead).to(at::kDouble).mean();
  return linear(mlp.c_proj, hidden_TK);
}

}  // namespace

std::vector<std::string> activation_names(const ModelConfig& config) {
  std::vector<std::string> names{"activation_rms/wte"};
  for (std::int64_t layer = 0; layer < config.n_layer; ++layer) {
    for (const char* quantity : {"activation_rms", "dead_units", "attention_entropy"})
      names.push_back(concat(quantity, "/h.", layer));
    for (std::int64_t head = 0; head < config.n_head; ++head)
      names.push_back(concat("head_entropy/h.", layer, ".", head));
  }
  return names;
}

at::Tensor activation_statistics(const ParameterList& parameters, const ModelConfig& config,
                                 const c10::Device& device, const at::Tensor& tokens_1T) {
  const at::NoGradGuard no_grad;
  TensorMap tensors;
  for (const Parameter& parameter : parameters) tensors[parameter.name] = parameter.tensor.detach();
  const at::Tensor tokens_T = tokens_1T[0];
  const std::int64_t T = tokens_T.size(0);
  at::Tensor x_TC = at::embedding(tensors.at("transformer.wte.weight").to(device), tokens_T) +
                    tensors.at("transformer.wpe.weight").to(device).narrow(0, 0, T);
  std::vector<at::Tensor> values{root_mean_square(x_TC).view({1})};
  for (std::int64_t layer = 0; layer < config.n_layer; ++layer) {
    const Block block(config, tensors, concat("transformer.h.", layer, "."));
    at::Tensor entropy_H, dead;
    x_TC = x_TC + attention(block.attn, block.ln_1(x_TC), entropy_H);
    x_TC = x_TC + mlp(block.mlp, block.ln_2(x_TC), dead);
    entropy_H = entropy_H.to(at::kDouble) / static_cast<double>(T);
    values.push_back(at::stack({root_mean_square(x_TC), dead, entropy_H.mean()}));
    values.push_back(entropy_H);
  }
  return at::cat(values);
}

}  // namespace gpt
