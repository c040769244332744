// nanoGPT's way: the model's own forward pass, autograd, autocast.
#pragma once

#include "gpt/model/engine.h"

namespace gpt {

class EagerEngine : public Engine {
 public:
  EagerEngine(const Gpt& model, const Compute& compute, const Plan& plan)
      : model_(model), compute_(compute), plan_(plan) {}

  EngineKind kind() const override { return EngineKind::kEager; }
  at::Tensor accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                        const DropoutState& dropout) override;
  at::Tensor token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) override;
  std::vector<at::Tensor> gradient_buffers() const override;
  void replan(const Plan& plan) override { plan_ = plan; }

 private:
  LmHeadOptions head_options(const LossScale& scale) const;

  const Gpt& model_;
  Compute compute_;
  Plan plan_;
};

}  // namespace gpt
