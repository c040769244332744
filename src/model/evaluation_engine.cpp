#include "gpt/model/evaluation_engine.h"

#include <utility>

#include <ATen/core/grad_mode.h>

namespace gpt {

EvaluationEngine::EvaluationEngine(std::unique_ptr<Engine> training, const TrainConfig& config,
                                   const Gpt& model, const c10::Device& device)
    : training_(std::move(training)), model_(model), device_(device) {
  copy_ = std::make_unique<Gpt>(config.model, model.vocab_size(), model.block_size());
  copy_->to(device);
  evaluating_ = make_engine(config, *copy_, {device, at::kFloat});
}

at::Tensor EvaluationEngine::accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT,
                                        const LossScale& scale, const DropoutState& dropout) {
  return training_->accumulate(x_BT, y_BT, scale, dropout);
}

at::Tensor EvaluationEngine::accumulate_last(const at::Tensor& x_BT, const at::Tensor& y_BT,
                                             const LossScale& scale, const DropoutState& dropout,
                                             const GradientsComplete& complete) {
  return training_->accumulate_last(x_BT, y_BT, scale, dropout, complete);
}

at::Tensor EvaluationEngine::token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) {
  if (stale_) renew();
  return evaluating_->token_losses(x_BT.to(device_), y_BT.to(device_));
}

void EvaluationEngine::weights_changed() {
  training_->weights_changed();
  stale_ = true;
}

void EvaluationEngine::replan(const Plan& plan) {
  training_->replan(plan);
  evaluating_->replan(plan);
}

void EvaluationEngine::mask_documents(std::int64_t end_token) {
  training_->mask_documents(end_token);
  evaluating_->mask_documents(end_token);
}

void EvaluationEngine::release_memory() {
  training_->release_memory();
  evaluating_->release_memory();
}

void EvaluationEngine::renew() {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < model_.parameters().size(); ++i)
    copy_->parameters()[i].tensor.copy_(model_.parameters()[i].tensor);
  evaluating_->weights_changed();
  stale_ = false;
}

}  // namespace gpt
