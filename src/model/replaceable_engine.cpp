#include "replaceable_engine.h"

#include <utility>

#include "gpt/kernels/device_choices.h"
#include "gpt/model/engines.h"

namespace gpt {

ReplaceableEngine::ReplaceableEngine(std::unique_ptr<Engine> fused, const TrainConfig& config,
                                     const Gpt& model, const Compute& compute)
    : engine_(std::move(fused)),
      config_(config),
      model_(model),
      compute_(compute),
      plan_(plan_of(config.model, config.memory, model.vocab_size())),
      version_(device_choices_version()) {}

void ReplaceableEngine::follow_choices() {
  const std::int64_t now = device_choices_version();
  if (now == std::exchange(version_, now)) return;
  const auto choices = device_choices();
  if (choices && !choices->fused && engine_->kind() != EngineKind::kEager) {
    engine_.reset();  // its memory first
    engine_ = make_eager_engine(config_, model_, compute_);
    if (document_end_) engine_->mask_documents(*document_end_);
  }
  engine_->replan(plan_);
}

at::Tensor ReplaceableEngine::accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT,
                                         const LossScale& scale, const DropoutState& dropout) {
  follow_choices();
  return engine_->accumulate(x_BT, y_BT, scale, dropout);
}

at::Tensor ReplaceableEngine::accumulate_last(const at::Tensor& x_BT, const at::Tensor& y_BT,
                                              const LossScale& scale, const DropoutState& dropout,
                                              const GradientsComplete& complete) {
  follow_choices();
  return engine_->accumulate_last(x_BT, y_BT, scale, dropout, complete);
}

at::Tensor ReplaceableEngine::token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) {
  follow_choices();
  return engine_->token_losses(x_BT, y_BT);
}

void ReplaceableEngine::mask_documents(std::int64_t end_token) {
  document_end_ = end_token;
  engine_->mask_documents(end_token);
}

void ReplaceableEngine::replan(const Plan& plan) {
  plan_ = plan;
  engine_->replan(plan);
}

}  // namespace gpt
