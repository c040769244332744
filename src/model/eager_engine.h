// nanoGPT's way: the model's own forward pass, autograd, autocast.
#pragma once

#include <optional>

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
  void mask_documents(std::int64_t end_token) override { document_end_ = end_token; }

 private:
  LmHeadOptions head_options(const LossScale& scale) const;
  at::Tensor mask_of(const at::Tensor& x_BT) const;

  const Gpt& model_;
  Compute compute_;
  Plan plan_;
  std::optional<std::int64_t> document_end_;
};

}  // namespace gpt
