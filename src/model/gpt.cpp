#include "gpt/model/gpt.h"

#include <utility>

#include "gpt/base/profile_range.h"
#include "gpt/base/strings.h"
#include "gpt/device/memory.h"
#include "gpt/model/weight_init.h"

#include "recomputed_block.h"

namespace gpt {

namespace {

// As nanoGPT begins, but for the weights that init_weights() draws: those are not set.
TensorMap new_parameters(const std::vector<ParameterShape>& table, const c10::Device& device) {
  TensorMap tensors;
  for (const ParameterShape& parameter : table) {
    at::Tensor tensor = parameter.role == ParameterRole::kNormWeight
                            ? at::ones(parameter.shape, device)
                        : is_bias(parameter.role) ? at::zeros(parameter.shape, device)
                                                  : at::empty(parameter.shape, device);
    tensors.emplace(parameter.name, tensor.set_requires_grad(true));
  }
  return tensors;
}

}  // namespace

Gpt::Gpt(const ModelConfig& config, std::vector<ParameterShape> table, const TensorMap& tensors)
    : config_(config),
      table_(std::move(table)),
      wte_VC_(tensors.at("transformer.wte.weight")),
      wpe_TC_(tensors.at("transformer.wpe.weight")),
      ln_f_(tensors, "transformer.ln_f") {
  for (const ParameterShape& parameter : table_)
    parameters_.push_back({parameter.name, tensors.at(parameter.name)});
  for (std::int64_t layer = 0; layer < config.n_layer; ++layer)
    h_.emplace_back(config, tensors, concat("transformer.h.", layer, "."));
}

Gpt::Gpt(const ModelConfig& config, std::int64_t vocab_size, std::int64_t block_size,
         const c10::Device& device)
    : Gpt(config, parameter_table({config, vocab_size, block_size}), device) {}

Gpt::Gpt(const ModelConfig& config, const std::vector<ParameterShape>& table,
         const c10::Device& device)
    : Gpt(config, table, new_parameters(table, device)) {}

Gpt::Gpt(const ModelConfig& config, std::int64_t vocab_size, std::int64_t block_size,
         at::Generator& generator)
    : Gpt(config, vocab_size, block_size, c10::Device(at::kCPU)) {
  draw(generator);
}

void Gpt::draw(at::Generator& generator) const {
  init_weights(parameters_, table_, config_.n_layer, generator);
}

at::Tensor Gpt::forward(const at::Tensor& tokens_BT, const DropoutState& dropout,
                        bool recompute_blocks, const at::Tensor& mask_B1TT) const {
  const std::int64_t T = tokens_BT.size(1);
  TORCH_CHECK(T <= block_size(), "a sequence of ", T, " tokens is longer than block_size ",
              block_size());
  const at::Tensor position_T = at::arange(T, tokens_BT.options());
  at::Tensor x_BTC = at::embedding(wte_VC_, tokens_BT) + at::embedding(wpe_TC_, position_T);
  x_BTC = apply_dropout(x_BTC, dropout, /*layer=*/-1, kEmbedding);
  for (std::size_t i = 0; i < h_.size(); ++i) {
    const auto layer = static_cast<std::int64_t>(i);
    x_BTC = recompute_blocks ? recomputed_block(h_[i], x_BTC, layer, dropout, mask_B1TT)
                             : h_[i](x_BTC, layer, dropout, mask_B1TT);
  }
  return ln_f_(x_BTC);
}

LmHeadLoss Gpt::loss(const at::Tensor& tokens_BT, const at::Tensor& target_BT,
                     LmHeadOptions options, const DropoutState& dropout, bool recompute_blocks,
                     const at::Tensor& mask_B1TT) const {
  const at::Tensor x_BTC = forward(tokens_BT, dropout, recompute_blocks, mask_B1TT);
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
    if (offload != Offload::kWeights || !is_gemm_weight(table_[i].role)) {
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

Gpt Gpt::with_plain_attention() const {
  ModelConfig plain = config_;
  plain.attention = "plain";
  TensorMap tensors;
  for (const Parameter& parameter : parameters_) tensors.emplace(parameter.name, parameter.tensor);
  return Gpt(plain, table_, tensors);
}

Gpt Gpt::copied(at::ScalarType type) const {
  TensorMap tensors;
  for (const Parameter& parameter : parameters_)
    tensors.emplace(parameter.name, parameter.tensor.detach()
                                        .to(type, /*non_blocking=*/false,
                                            /*copy=*/true)
                                        .set_requires_grad(true));
  return Gpt(config_, table_, tensors);
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
