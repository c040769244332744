// The fused engine of a GPU for as long as device_choices() allow it: the eager engine takes its
// place where they stop, and what was recorded is recorded again where they change.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "gpt/model/engine.h"

namespace gpt {

class ReplaceableEngine : public Engine {
 public:
  ReplaceableEngine(std::unique_ptr<Engine> fused, const TrainConfig& config, const Gpt& model,
                    const Compute& compute);

  EngineKind kind() const override { return engine_->kind(); }
  at::Tensor accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                        const DropoutState& dropout) override;
  at::Tensor accumulate_last(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                             const DropoutState& dropout,
                             const GradientsComplete& complete) override;
  std::vector<at::Tensor> gradient_parts() const override { return engine_->gradient_parts(); }
  at::Tensor token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) override;
  std::vector<at::Tensor> gradient_buffers() const override { return engine_->gradient_buffers(); }
  void weights_changed() override { engine_->weights_changed(); }
  void replan(const Plan& plan) override;
  void mask_documents(std::int64_t end_token) override;
  void release_memory() override { engine_->release_memory(); }
  std::size_t recorded_graphs() const override { return engine_->recorded_graphs(); }

 private:
  void follow_choices();

  std::unique_ptr<Engine> engine_;
  TrainConfig config_;
  const Gpt& model_;
  Compute compute_;
  Plan plan_;
  std::optional<std::int64_t> document_end_;
  std::int64_t version_;  // of the choices that were followed
};

}  // namespace gpt
