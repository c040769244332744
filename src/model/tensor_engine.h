// The fused engine on ATen tensors, which a GPU trains with: no autograd; low-precision activations
// and weight copies, a residual stream, weights and gradients in float32, hand-written kernels,
// recomputation by level, and CUDA graphs on request. It names no device and computes on any, so
// that tests on the CPU compare it with the eager engine.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "gpt/model/engine.h"

#include "engine_graphs.h"
#include "tensor_block.h"
#include "tensor_weights.h"

namespace gpt {

class TensorEngine : public Engine {
 public:
  TensorEngine(const TrainConfig& config, const Gpt& model, const Compute& compute);

  EngineKind kind() const override { return EngineKind::kTensor; }
  at::Tensor accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                        const DropoutState& dropout) override;
  at::Tensor accumulate_last(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                             const DropoutState& dropout,
                             const GradientsComplete& complete) override;
  std::vector<at::Tensor> gradient_parts() const override;
  at::Tensor token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) override;
  std::vector<at::Tensor> gradient_buffers() const override { return weights_.gradient_buffers(); }
  void weights_changed() override {
    weights_.masters_changed();
    graphs_.step_ended();
  }
  void replan(const Plan& plan) override;
  void release_memory() override;
  void mask_documents(std::int64_t end_token) override;
  std::size_t recorded_graphs() const override { return graphs_.recorded(); }

 private:
  // The activations of a forward pass, up to the head's input.
  struct Activations {
    std::vector<TensorBlockState> block;
    NormOutput ln_f;
  };

  at::Tensor plain_accumulate(TensorPass pass, const at::Tensor& x_BT, const at::Tensor& y_BT,
                              const LossScale& scale, const GradientsComplete& complete = {});
  void find_documents(const at::Tensor& x_BT, TensorPass& pass) const;
  TensorPass make_pass(const at::Tensor& x_BT, const DropoutState& dropout) const;
  Activations forward(const TensorPass& pass, const at::Tensor& x_BT, bool keep);
  void backward(const TensorPass& pass, const at::Tensor& x_BT, Activations& activations,
                at::Tensor dy_NC, const GradientsComplete& complete);
  // Token losses; with a gradient, also that of the head's input.
  at::Tensor head(const at::Tensor& y_NC, const at::Tensor& target_BT, double scale,
                  const at::Tensor& dy_NC) const;

  ModelConfig config_;
  bool deterministic_, graphs_wanted_;
  const Gpt& model_;
  Compute compute_;
  Plan plan_;
  std::optional<std::int64_t> document_end_;
  TensorWeights weights_;
  EngineGraphs graphs_;
};

}  // namespace gpt
