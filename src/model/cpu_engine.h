// The fused engine of the CPU: explicit forward and backward passes over plain memory, by threads
// that each take whole sequences through the model (small models), or share every layer (large
// ones). No operator of ATen, no autograd, no allocation inside a step.
#pragma once

#include <optional>

#include "gpt/model/engine.h"

#include "cpu_pass.h"

namespace gpt {

class CpuEngine : public Engine {
 public:
  // How threads divide the work; `automatic` decides by the model's size.
  enum class Parallelism { kAutomatic, kOverSequences, kWithinLayers };

  // `model` must outlive it. compute.type: float32 or bfloat16.
  CpuEngine(const ModelConfig& config, const Gpt& model, const Compute& compute, const Plan& plan,
            Parallelism parallelism = Parallelism::kAutomatic);

  EngineKind kind() const override { return EngineKind::kCpu; }
  at::Tensor accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT, const LossScale& scale,
                        const DropoutState& dropout) override;
  at::Tensor token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) override;
  std::vector<at::Tensor> gradient_buffers() const override { return {gradient_}; }
  void weights_changed() override { stale_ = true; }
  void replan(const Plan& plan) override;
  void release_memory() override;
  void mask_documents(std::int64_t end_token) override;

 private:
  at::Tensor run(const at::Tensor& x_BT, const at::Tensor& y_BT, float factor,
                 const DropoutState& dropout, bool gradients);
  void prepare_gradients(int parts);
  void gather_gradients(int parts);
  float* gradient_of(int rank, bool matrices) const;
  template <class X>
  void work(const CpuModel& model, const Group& all, int rank, int parts, Barrier* barrier);

  const Gpt& model_;
  CpuShape fixed_;  // without the cut, which is each call's own
  bool tanh_gelu_;
  Parallelism parallelism_;
  bool together_ = false;  // in the call at hand
  Plan plan_;
  std::int64_t document_end_ = -1;
  CpuWeights weights_;
  bool stale_ = true;
  at::Tensor arena_;                 // bytes, for all thread groups
  std::int64_t arena_stride_ = 0;    // bytes of one thread group
  at::Tensor gradient_;              // float32, CpuWeights::gradient_size()
  std::vector<at::Tensor> partial_;  // of ranks from 1 on
};

}  // namespace gpt
