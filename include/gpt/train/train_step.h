// One training step: the gradient of the whole effective batch, micro-batch by micro-batch, and one
// update of the weights.
#pragma once

#include <cstdint>
#include <functional>

#include <ATen/core/Tensor.h>

#include "gpt/config/train_config.h"
#include "gpt/device/compute.h"
#include "gpt/device/readback.h"
#include "gpt/model/engine.h"
#include "gpt/model/gpt.h"
#include "gpt/optim/grad_scaler.h"
#include "gpt/optim/optimizer.h"
#include "gpt/parallel/process_group.h"
#include "gpt/train/step_batches.h"

namespace gpt {

// What one step did. Losses are nats per target that counts (gpt/data/token_mask.h), 0 where none
// does.
struct StepResult {
  double mean_loss = 0;  // over the whole effective batch
  double last_loss = 0;  // over its last batch_size sequences: what nanoGPT prints
  double gradient_norm = 0;
  double learning_rate = 0;
  bool skipped = false;  // loss or gradient was not finite; the weights are untouched
};

// A step whose work is queued on the device.
struct QueuedStep {
  std::int64_t step;
  StepBatches::Targets targets;
  double learning_rate;
  Readback facts;  // sum of losses, of the last batch's, gradient norm, skipped

  StepResult wait() const;
};

class TrainStep {
 public:
  struct Parts {
    const TrainConfig& config;
    Compute compute;
    const Gpt& model;
    Engine& engine;
    Optimizer& optimizer;
    const GradScaler& scaler;
    StepBatches& batches;
    ProcessGroup& group;
  };

  explicit TrainStep(const Parts& parts) : parts_(parts) {}

  // Takes step number `step`. After an exception for want of memory the weights are as they were,
  // and after drop_gradients() and StepBatches::restart_step() the same step can be taken again.
  QueuedStep queue(std::int64_t step) { return update(step, accumulate(step)); }

  void drop_gradients();

  // Called between backward and the gradient check; for tests that plant faults.
  std::function<void()> after_backward;

 private:
  at::Tensor accumulate(std::int64_t step);
  QueuedStep update(std::int64_t step, const at::Tensor& token_loss);

  Parts parts_;
};

}  // namespace gpt
