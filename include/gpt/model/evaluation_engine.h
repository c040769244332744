// eval_device: training on one device, evaluations on another, which holds a copy of the weights.
#pragma once

#include <memory>

#include "gpt/model/engine.h"

namespace gpt {

class EvaluationEngine : public Engine {
 public:
  // Trains with `training`, whose weights are `model`'s; evaluates on `device` in float32. The copy
  // of the weights is renewed at the first evaluation after each update.
  EvaluationEngine(std::unique_ptr<Engine> training, const TrainConfig& config, const Gpt& model,
                   const c10::Device& device);

  EngineKind kind() const override { return training_->kind(); }
  at::Tensor accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                        const DropoutState& dropout) override;
  at::Tensor accumulate_last(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                             const DropoutState& dropout,
                             const GradientsComplete& complete) override;
  std::vector<at::Tensor> gradient_parts() const override { return training_->gradient_parts(); }
  at::Tensor token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) override;
  std::vector<at::Tensor> gradient_buffers() const override {
    return training_->gradient_buffers();
  }
  void weights_changed() override;
  void replan(const Plan& plan) override;
  void mask_documents(std::int64_t end_token) override;
  void release_memory() override;
  std::size_t recorded_graphs() const override { return training_->recorded_graphs(); }

 private:
  void renew();

  std::unique_ptr<Engine> training_, evaluating_;
  const Gpt& model_;
  c10::Device device_;
  std::unique_ptr<Gpt> copy_;
  bool stale_ = true;
};

}  // namespace gpt
