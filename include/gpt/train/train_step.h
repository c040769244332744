// One training step: the gradient of the whole effective batch, micro-batch by micro-batch, and one
// update of the weights.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/config/train_config.h"
#include "gpt/device/compute.h"
#include "gpt/device/readback.h"
#include "gpt/model/engine.h"
#include "gpt/model/gpt.h"
#include "gpt/optim/grad_scaler.h"
#include "gpt/optim/optimizer.h"
#include "gpt/parallel/process_group.h"
#include "gpt/train/spike_guard.h"
#include "gpt/train/step_batches.h"
#include "gpt/train/step_statistics.h"

namespace gpt {

// What one step did. Losses are nats per target that counts (gpt/data/token_mask.h), 0 where none
// does.
struct StepResult {
  double mean_loss = 0;  // over the whole effective batch
  double last_loss = 0;  // over its last batch_size sequences: what nanoGPT prints
  double gradient_norm = 0;
  double learning_rate = 0;
  bool skipped = false;  // the weights are untouched: loss or gradient was not finite, or a spike
  bool spike = false;    // finite, and above the limits
  std::vector<SourceProgress> data = {};  // trained on by now, this step included
};

// A step whose work is queued on the device.
struct QueuedStep {
  std::int64_t step;
  StepBatches::Targets targets;
  double learning_rate;
  // Sum of losses, of the last batch's, gradient norm, skipped; with limits, spike.
  Readback facts;
  std::vector<SourceProgress> data;
  std::vector<Window> windows = {};  // where spikes are looked for

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
    const SpikeGuard& spike_guard;
    StepStatistics& statistics;
  };

  explicit TrainStep(const Parts& parts);

  // Takes step number `step`. After an exception for want of memory the weights are as they were,
  // and after drop_gradients() and StepBatches::restart_step() the same step can be taken again.
  QueuedStep queue(std::int64_t step) { return update(step, accumulate(step)); }

  void drop_gradients();

  // Asked between micro-batches. Where this process is to stop and the rest of the step would take
  // longer than `patience`, the step is cut short: its loss is not finite, so that no process
  // updates its weights.
  std::function<bool()> stop_requested;
  std::chrono::duration<double> patience = std::chrono::seconds(5);
  // This process has cut the last step short.
  bool cut_short() const { return cut_short_; }

  // Called between backward and the gradient check; for tests that plant faults.
  std::function<void()> after_backward;

  // Several processes add up the gradients while the last backward pass is under way, where the
  // engine tells which are complete. By default between GPUs: a CPU's cores are busy as it is. The
  // same in all processes.
  bool sums_early;

 private:
  at::Tensor accumulate(std::int64_t step);
  bool stops_after(std::int64_t done, std::chrono::steady_clock::time_point begun) const;
  at::Tensor accumulate_and_sum(const Batch& batch, const LossScale& scale,
                                const DropoutState& dropout);
  at::Tensor is_spike(std::int64_t step, const at::Tensor& loss_sum, std::int64_t targets,
                      const at::Tensor& norm) const;
  QueuedStep update(std::int64_t step, const at::Tensor& token_loss);

  Parts parts_;
  bool summed_ = false;  // the gradients of this step
  bool cut_short_ = false;
};

}  // namespace gpt
