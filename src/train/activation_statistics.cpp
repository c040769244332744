#include "gpt/train/activation_statistics.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/strings.h"
#include "gpt/kernels/ops/attention.h"
#include "gpt/model/layers.h"

namespace gpt {

namespace {

// Weights may lie in the host's memory (optimizer_offload=all): one at a time is copied.
at::Tensor on(const at::Tensor& weight, const at::Tensor& like) {
  return weight.to(like.device());
}

at::Tensor linear(const Linear& layer, const at::Tensor& x_BTI) {
  const auto bias = layer.bias_O.defined() ? std::optional(on(layer.bias_O, x_BTI)) : std::nullopt;
  return at::linear(x_BTI, on(layer.weight_OI, x_BTI), bias);
}

at::Tensor square_sum(const at::Tensor& x) {
  return x.square().sum(at::kDouble).view({1});
}

// Attention written out, a few queries at a time. Entropies: (H), summed over tokens. `start_BT`:
// where documents begin, or undefined.
at::Tensor attention(const SelfAttention& attn, const at::Tensor& x_BTC, const at::Tensor& start_BT,
                     at::Tensor& entropy_H) {
  constexpr std::int64_t kQueries = 64;
  const std::int64_t T = x_BTC.size(1), C = x_BTC.size(2);
  const auto [q_BHTD, k_BHTD, v_BHTD] = attn.split_heads(linear(attn.c_attn, x_BTC));
  const double scale = 1 / std::sqrt(static_cast<double>(C / attn.heads));
  entropy_H = at::zeros({attn.heads}, x_BTC.options().dtype(at::kDouble));
  std::vector<at::Tensor> parts_BHQD;
  for (std::int64_t first = 0; first < T; first += kQueries) {
    const std::int64_t count = std::min(kQueries, T - first), seen = first + count;
    at::Tensor log_BHQS = at::matmul(q_BHTD.narrow(2, first, count) * scale,
                                     k_BHTD.narrow(2, 0, seen).transpose(2, 3));
    at::Tensor hidden = at::ones({count, seen}, x_BTC.options().dtype(at::kBool)).triu(first + 1);
    if (start_BT.defined())
      hidden =
          (at::arange(seen, start_BT.options()) < start_BT.narrow(1, first, count).unsqueeze(2))
              .logical_or_(hidden)
              .unsqueeze(1);
    log_BHQS = log_BHQS.masked_fill_(hidden, -INFINITY).log_softmax(-1);
    const at::Tensor weight_BHQS = log_BHQS.exp();
    parts_BHQD.push_back(at::matmul(weight_BHQS, v_BHTD.narrow(2, 0, seen)));
    // What is hidden has weight 0, whose logarithm plays no part.
    entropy_H -=
        log_BHQS.masked_fill_(hidden, 0).mul_(weight_BHQS).sum({0, 2, 3}, false, at::kDouble);
  }
  const at::Tensor y_BHTD = at::cat(parts_BHQD, 2);
  return linear(attn.c_proj, y_BHTD.transpose(1, 2).reshape(x_BTC.sizes()));
}

// alive_K: 1 for hidden units that are not dead, else 0.
at::Tensor mlp(const Mlp& mlp, const at::Tensor& x_BTC, at::Tensor& alive_K) {
  constexpr double kDead = 1e-3;
  const at::Tensor hidden_BTK = at::gelu(linear(mlp.c_fc, x_BTC), mlp.gelu);
  const auto [low_K, high_K] = at::aminmax(hidden_BTK.flatten(0, 1), /*dim=*/0);
  alive_K = at::maximum(-low_K, high_K).ge(kDead).to(at::kDouble);
  return linear(mlp.c_proj, hidden_BTK);
}

}  // namespace

std::int64_t activation_sum_count(const ModelConfig& config) {
  return 2 + config.n_layer * (1 + config.n_head + 4 * config.n_embd);
}

at::Tensor activation_sums(const ParameterList& parameters, const ModelConfig& config,
                           const c10::Device& device, const at::Tensor& tokens_BT,
                           std::optional<std::int64_t> document_end) {
  const at::NoGradGuard no_grad;
  TensorMap tensors;
  for (const Parameter& parameter : parameters) tensors[parameter.name] = parameter.tensor.detach();
  const at::Tensor start_BT =
      document_end ? document_starts(tokens_BT, *document_end) : at::Tensor();
  at::Tensor x_BTC =
      at::embedding(tensors.at("transformer.wte.weight").to(device), tokens_BT) +
      tensors.at("transformer.wpe.weight").to(device).narrow(0, 0, tokens_BT.size(1));
  const at::Tensor tokens = at::full({1}, tokens_BT.numel(), x_BTC.options().dtype(at::kDouble));
  std::vector<at::Tensor> sums{tokens, square_sum(x_BTC)};
  for (std::int64_t layer = 0; layer < config.n_layer; ++layer) {
    const Block block(config, tensors, concat("transformer.h.", layer, "."));
    at::Tensor entropy_H, alive_K;
    x_BTC = x_BTC + attention(block.attn, block.ln_1(x_BTC), start_BT, entropy_H);
    x_BTC = x_BTC + mlp(block.mlp, block.ln_2(x_BTC), alive_K);
    sums.insert(sums.end(), {square_sum(x_BTC), entropy_H, alive_K});
  }
  return at::cat(sums);
}

std::vector<std::pair<std::string, double>> activation_values(const ModelConfig& config,
                                                              const std::vector<double>& sums) {
  auto next = sums.begin();
  const double tokens = *next++, elements = tokens * static_cast<double>(config.n_embd);
  std::vector<std::pair<std::string, double>> values;
  if (tokens == 0) return values;
  values.emplace_back("activation_rms/wte", std::sqrt(*next++ / elements));
  for (std::int64_t layer = 0; layer < config.n_layer; ++layer) {
    values.emplace_back(concat("activation_rms/h.", layer), std::sqrt(*next++ / elements));
    double all_heads = 0;
    for (std::int64_t head = 0; head < config.n_head; ++head) {
      values.emplace_back(concat("head_entropy/h.", layer, ".", head), *next / tokens);
      all_heads += *next++ / tokens;
    }
    values.emplace_back(concat("attention_entropy/h.", layer),
                        all_heads / static_cast<double>(config.n_head));
    const auto units = next + 4 * config.n_embd;
    values.emplace_back(
        concat("dead_units/h.", layer),
        static_cast<double>(std::count(next, units, 0.0)) / static_cast<double>(units - next));
    next = units;
  }
  return values;
}

}  // namespace gpt
