#include "gpt/train/canary.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/ATen.h>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/device/memory.h"
#include "gpt/model/engines.h"

namespace gpt {

namespace {

constexpr double kMeanLimit = 1e-2;  // nats a token

at::Tensor first_tokens(const Dataset& dataset, std::int64_t block_size) {
  const std::int64_t count = std::min(block_size + 1, dataset.val.size());
  const at::Tensor tokens_BT = at::empty({1, count}, at::kLong);
  dataset.val.copy(0, count, tokens_BT.mutable_data_ptr<std::int64_t>());
  return tokens_BT;
}

TrainConfig with_plain_attention(TrainConfig config) {
  config.model.attention = "plain";
  config.system.compile = false;
  return config;
}

}  // namespace

Canary::Canary(const TrainConfig& config, const Gpt& model, const Compute& compute,
               const Dataset& dataset)
    : config_(with_plain_attention(config)),
      model_(model),
      compute_(compute),
      document_end_(dataset.document_end),
      tokens_BT_(first_tokens(dataset, config.data.block_size)) {}

// Copies of the weights in the compute type, a block's activations and its T x T scores, the
// logits; and nothing that would make the allocator give back what the run has cached.
bool Canary::fits() const {
  const std::int64_t T = tokens_BT_.size(1), C = config_.model.n_embd;
  std::int64_t bytes = 2 * model_.parameter_count();
  bytes += 4 * T * (24 * C + 4 * config_.model.n_head * T);
  bytes +=
      8 * std::min<std::int64_t>(T, default_head_chunk(model_.vocab_size())) * model_.vocab_size();
  return fits_without_flush(compute_.device, static_cast<std::uint64_t>(bytes));
}

// Not in the memory of weights that lie on the host: there is nothing to compute with.
at::Tensor Canary::plain_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) const {
  const Gpt plain = model_.with_plain_attention();
  const auto eager = make_eager_engine(config_, plain, compute_);
  if (document_end_) eager->mask_documents(*document_end_);
  return eager->token_losses(x_BT, y_BT);
}

std::optional<std::string> Canary::complaint(Engine& engine) const {
  const bool offloaded = std::any_of(
      model_.parameters().begin(), model_.parameters().end(),
      [&](const Parameter& parameter) { return parameter.tensor.device() != compute_.device; });
  const std::int64_t T = tokens_BT_.size(1) - 1;
  if (T < 1 || offloaded || !fits()) return std::nullopt;
  std::optional<std::string> wrong;
  try {
    const at::Tensor tokens_BT = tokens_BT_.to(compute_.device);
    const at::Tensor x_BT = tokens_BT.narrow(1, 0, T).contiguous(),
                     y_BT = tokens_BT.narrow(1, 1, T).contiguous();
    const at::Tensor plain = plain_losses(x_BT, y_BT).mean();
    const at::Tensor used = engine.token_losses(x_BT, y_BT).mean();
    const at::Tensor both = at::stack({plain, used}).to(at::kDouble).cpu();
    const double expected = both[0].item<double>(), found = both[1].item<double>();
    if (std::isfinite(expected) && !(std::abs(found - expected) <= kMeanLimit))
      wrong = format(
          "one sequence has a mean loss of %.4f by the engine in use and of %.4f by "
          "plain attention in eager mode",
          found, expected);
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    log_info("no memory to compare the engine in use with plain attention");
  }
  // Plain attention's matmuls are LibTorch's, which the fused engine may do without.
  if (engine.kind() != EngineKind::kEager && engine.recorded_graphs() == 0)
    release_matmul_workspace(compute_.device);
  release_cached_memory(compute_.device);
  return wrong;
}

}  // namespace gpt
