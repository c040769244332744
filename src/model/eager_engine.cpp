#include "eager_engine.h"

#include <ATen/core/grad_mode.h>

#include "gpt/base/profile_range.h"
#include "gpt/kernels/ops/attention.h"
#include "gpt/kernels/ops/autocast.h"
#include "gpt/model/engines.h"
#include "gpt/model/layers.h"

namespace gpt {

at::Tensor EagerEngine::accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT,
                                   const LossScale& scale, const DropoutState& dropout) {
  // Once; else every dropout would copy it, and the host wait for each.
  const DropoutState there = on_device(dropout, x_BT.device());
  const LmHeadLoss loss = [&] {
    const ProfileRange range("forward");
    const AutocastGuard autocast(compute_.device.type(), compute_.type);
    return model_.loss(x_BT, y_BT, head_options(scale), there,
                       /*recompute_blocks=*/plan_.recompute != Recompute::kNone, mask_of(x_BT));
  }();
  const ProfileRange range("backward");
  loss.loss.backward();
  return loss.token_N;
}

at::Tensor EagerEngine::token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) {
  const at::NoGradGuard no_grad;
  const AutocastGuard autocast(compute_.device.type(), compute_.type);
  return model_
      .loss(x_BT, y_BT, head_options({}), /*dropout=*/{}, /*recompute_blocks=*/false, mask_of(x_BT))
      .token_N;
}

std::vector<at::Tensor> EagerEngine::gradient_buffers() const {
  std::vector<at::Tensor> all;
  for (const Parameter& parameter : model_.parameters()) all.push_back(parameter.tensor.grad());
  return all;
}

std::unique_ptr<Engine> make_eager_engine(const TrainConfig& config, const Gpt& model,
                                          const Compute& compute) {
  return std::make_unique<EagerEngine>(model, compute,
                                       plan_of(config.model, config.memory, model.vocab_size()));
}

at::Tensor EagerEngine::mask_of(const at::Tensor& x_BT) const {
  if (!document_end_) return {};
  const bool mixed = compute_.type != at::kFloat;
  const at::Tensor& weight = model_.parameters().front().tensor;
  return document_mask(x_BT, *document_end_, mixed ? compute_.type : weight.scalar_type());
}

LmHeadOptions EagerEngine::head_options(const LossScale& scale) const {
  LmHeadOptions options{
      .chunk = plan_.head_chunk, .scale = scale.per_token, .gradient_scale = scale.gradient};
  if (compute_.type != at::kFloat) options.compute_type = compute_.type;
  return options;
}

}  // namespace gpt
