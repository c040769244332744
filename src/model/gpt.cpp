#include "gpt/model/gpt.h"

#include <cmath>

#include "gpt/base/profile_range.h"
#include "gpt/base/strings.h"
#include "gpt/device/memory.h"

#include "block_node.h"

namespace gpt {

Gpt::Gpt(const ModelConfig& config, std::int64_t vocab_size, std::int64_t block_size,
         const c10::Device& device)
    : config_(config),
      wte_VC_(at::empty({vocab_size, config.n_embd}, device)),
      wpe_TC_(at::empty({block_size, config.n_embd}, device)),
      ln_f_(config.n_embd, config.bias, device) {
  for (std::int64_t layer = 0; layer < config.n_layer; ++layer) h_.emplace_back(config, device);
  collect();
}

Gpt::Gpt(const ModelConfig& config, std::int64_t vocab_size, std::int64_t block_size,
         at::Generator& generator)
    : Gpt(config, vocab_size, block_size, c10::Device(at::kCPU)) {
  draw(generator);
}

// The order of the draws is the contract: PyTorch's modules draw when they are built, nanoGPT
// draws everything again in apply(), then the residual projections a third time.
void Gpt::draw(at::Generator& generator) const {
  InitialDraws draws(generator);
  draws.skip_normal(wte_VC_.numel());
  draws.skip_normal(wpe_TC_.numel());
  for (const Block& block : h_) block.skip_defaults(draws);
  draws.skip_uniform(wte_VC_.numel());  // the head, before it is tied

  draws.skip_normal(wte_VC_.numel());
  draws.normal(wpe_TC_, kInitStd);
  for (const Block& block : h_) block.draw(draws);
  draws.normal(wte_VC_, kInitStd);  // once more as the head
  const double residual_std = kInitStd / std::sqrt(2.0 * static_cast<double>(config_.n_layer));
  for (const Block& block : h_) block.draw_projections(draws, residual_std);
  draws.draw();
}

void Gpt::collect() {
  parameters_ = {{"transformer.wte.weight", wte_VC_}, {"transformer.wpe.weight", wpe_TC_}};
  for (std::size_t layer = 0; layer < h_.size(); ++layer)
    h_[layer].collect(concat("transformer.h.", layer), parameters_);
  ln_f_.collect("transformer.ln_f", parameters_);
  for (Parameter& parameter : parameters_) parameter.tensor.set_requires_grad(true);
}

at::Tensor Gpt::forward(const at::Tensor& tokens_BT, const DropoutState& dropout,
                        Recompute recompute) const {
  const std::int64_t T = tokens_BT.size(1);
  TORCH_CHECK(T <= block_size(), "a sequence of ", T, " tokens is longer than block_size ",
              block_size());
  const at::Tensor position_T = at::arange(T, tokens_BT.options());
  at::Tensor x_BTC = at::embedding(wte_VC_, tokens_BT) + at::embedding(wpe_TC_, position_T);
  x_BTC = apply_dropout(x_BTC, dropout, /*layer=*/-1, kEmbedding);
  for (std::size_t i = 0; i < h_.size(); ++i) {
    const auto layer = static_cast<std::int64_t>(i);
    x_BTC = recompute == Recompute::kNone ? h_[i](x_BTC, layer, dropout)
                                          : block_node(h_[i], x_BTC, layer, dropout, recompute);
  }
  return ln_f_(x_BTC);
}

LmHeadLoss Gpt::loss(const at::Tensor& tokens_BT, const at::Tensor& target_BT,
                     LmHeadOptions options, const DropoutState& dropout,
                     Recompute recompute) const {
  const at::Tensor x_BTC = forward(tokens_BT, dropout, recompute);
  if (options.chunk == 0)
    options.chunk = config_.head_chunk.or_else(default_head_chunk(vocab_size()));
  const ProfileRange range("head");
  return lm_head_loss(x_BTC.flatten(0, 1), wte_VC_, target_BT.flatten(), options);
}

at::Tensor Gpt::next_logits(const at::Tensor& tokens_BT) const {
  const at::Tensor x_BTC = forward(tokens_BT);
  return at::linear(x_BTC.select(1, x_BTC.size(1) - 1), wte_VC_);
}

void Gpt::to(const c10::Device& device, Offload offload) {
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    at::Tensor& tensor = parameters_[i].tensor;
    const bool embedding = i < 2;
    if (offload != Offload::kWeights || embedding || tensor.dim() < 2) {
      tensor.set_data(tensor.to(device));
      continue;
    }
    at::Tensor host = host_zeros(tensor.sizes(), device);
    host.copy_(tensor.detach());
    tensor.set_data(host);
  }
}

void Gpt::to(at::ScalarType type) {
  for (Parameter& parameter : parameters_) parameter.tensor.set_data(parameter.tensor.to(type));
}

std::int64_t Gpt::parameter_count() const {
  std::int64_t count = -wpe_TC_.numel();
  for (const Parameter& parameter : parameters_) count += parameter.tensor.numel();
  return count;
}

double Gpt::flops_per_token() const {
  const auto n = static_cast<double>(parameter_count());
  const auto attention = static_cast<double>(config_.n_layer * config_.n_embd * block_size());
  return 6.0 * n + 12.0 * attention;
}

}  // namespace gpt
