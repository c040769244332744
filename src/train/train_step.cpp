#include "gpt/train/train_step.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "gpt/base/profile_range.h"
#include "gpt/optim/gradients.h"
#include "gpt/optim/schedule.h"
#include "gpt/train/early_sum.h"

namespace gpt {

TrainStep::TrainStep(const Parts& parts)
    : sums_early(parts.group.size() > 1 && parts.compute.device.is_cuda() &&
                 parts.optimizer.sums_everything()),
      parts_(parts) {}

void TrainStep::drop_gradients() {
  for (const Parameter& parameter : parts_.model.parameters())
    parameter.tensor.mutable_grad() = at::Tensor();
}

// A step is finished where that does not take long: a stop need not cost what has been computed.
bool TrainStep::stops_after(std::int64_t done, std::chrono::steady_clock::time_point begun) const {
  if (done == 0 || !stop_requested || !stop_requested()) return false;
  const std::chrono::duration<double> so_far = std::chrono::steady_clock::now() - begun;
  const auto left = static_cast<double>(parts_.batches.micro_batches() - done);
  return so_far * left / static_cast<double>(done) > patience;
}

// This process's part of the gradient of the whole effective batch; the loss of each of its tokens.
at::Tensor TrainStep::accumulate(std::int64_t step) {
  const TrainConfig& config = parts_.config;
  StepBatches& batches = parts_.batches;
  const std::int64_t interval = config.io.eval_interval;
  batches.begin_step(/*evaluation_follows=*/interval > 0 && (step + 1) % interval == 0);
  const std::int64_t block = config.data.block_size;
  const at::Tensor token_loss =
      at::empty({batches.own_sequences().size() * block},
                at::TensorOptions().device(parts_.compute.device).dtype(at::kFloat));
  const LossScale scale{.per_token = 1.0 / static_cast<double>(batches.effective_batch() * block),
                        .gradient = parts_.scaler.scale()};
  drop_gradients();
  summed_ = cut_short_ = false;
  parts_.statistics.begin(step);
  // Statistics look at a micro-batch's own gradients.
  const bool early = sums_early && !parts_.statistics.due(step);
  const auto begun = std::chrono::steady_clock::now();
  std::int64_t first = 0;
  for (std::int64_t micro = 0, end = batches.micro_batches(); micro < end; ++micro) {
    if (stops_after(micro, begun)) {
      cut_short_ = true;
      if (!early) break;
      end = micro + 1;  // the others add up their gradients in their last pass: this one takes part
    }
    const Batch batch = batches.take();
    const DropoutState dropout{.on = config.model.dropout > 0,
                               .p = config.model.dropout,
                               .seed = config.system.seed,
                               .step = step,
                               .sequence_B = batch.sequence_B};
    parts_.statistics.before_pass(batch);
    const at::Tensor token_N =
        early && micro + 1 == end
            ? accumulate_and_sum(batch, scale, dropout)
            : parts_.engine.accumulate(batch.x_BT, batch.training_targets(), scale, dropout);
    parts_.statistics.after_pass(batch);
    token_loss.narrow(0, first, token_N.numel()).copy_(token_N);
    first += token_N.numel();
  }
  if (cut_short_) token_loss.fill_(std::numeric_limits<float>::quiet_NaN());
  if (after_backward) after_backward();
  return token_loss;
}

// The step's last micro-batch.
at::Tensor TrainStep::accumulate_and_sum(const Batch& batch, const LossScale& scale,
                                         const DropoutState& dropout) {
  EarlySum sum(parts_.engine, parts_.group);
  const at::Tensor token_N =
      parts_.engine.accumulate_last(batch.x_BT, batch.training_targets(), scale, dropout,
                                    [&sum](std::size_t complete) { sum.add(complete); });
  summed_ = sum.finish();
  return token_N;
}

// 1 where loss or gradient norm is above its limit, else 0: decided on the device, by numbers of
// earlier steps, so that the host need not wait for this one's.
at::Tensor TrainStep::is_spike(std::int64_t step, const at::Tensor& loss_sum, std::int64_t targets,
                               const at::Tensor& norm) const {
  const SpikeLimits limits = parts_.spike_guard.limits(step);
  return at::logical_or(loss_sum > limits.loss * static_cast<double>(targets),
                        norm.to(at::kDouble) > limits.gradient_norm)
      .to(at::kFloat);
}

// All that may fail comes before the optimizer's step: after it there is no way back.
QueuedStep TrainStep::update(std::int64_t step, const at::Tensor& token_loss) {
  const ProfileRange range("optimizer");
  const TrainConfig& config = parts_.config;
  const std::int64_t effective = parts_.batches.effective_batch();
  const std::int64_t block = config.data.block_size;
  // nanoGPT prints the loss of the last batch: of the sequences from here on.
  const IndexRange own = parts_.batches.own_sequences();
  const std::int64_t last_begin =
      std::clamp(effective - config.data.batch_size, own.begin, own.end) - own.begin;

  if (!summed_) parts_.optimizer.sum_gradients(parts_.group, parts_.engine.gradient_buffers());
  const at::Tensor loss_sum = token_loss.sum(at::kDouble);
  const at::Tensor last_sum =
      token_loss.narrow(0, last_begin * block, (own.size() - last_begin) * block).sum(at::kDouble);
  parts_.group.sum({loss_sum, last_sum});

  // Engines know one scale for all steps, which graphs hold; how many targets count differs.
  const StepBatches::Targets targets = parts_.batches.targets();
  const double unscale = static_cast<double>(effective * block) /
                         static_cast<double>(std::max<std::int64_t>(targets.all, 1)) /
                         parts_.scaler.scale();
  parts_.statistics.before_update(effective, 1 / unscale);
  const at::Tensor norm = parts_.optimizer.gradient_norm() * unscale;
  // Decided once: processes with other numbers of threads would round it otherwise.
  std::vector<at::Tensor> decided{norm};
  const bool guarded = parts_.spike_guard.on();
  if (guarded) decided.push_back(is_spike(step, loss_sum, targets.all, norm));
  parts_.group.broadcast(decided);
  at::Tensor skip = any_non_finite({norm, loss_sum.to(at::kFloat)});
  at::Tensor spike;
  if (guarded) {
    spike = decided.back() * (1 - skip);  // what is not finite is none
    if (parts_.spike_guard.skips()) skip = at::maximum(skip, spike);
  }
  std::vector<at::Tensor> facts{loss_sum, last_sum, norm.to(at::kDouble), skip.to(at::kDouble)};
  if (guarded) facts.push_back(spike.to(at::kDouble));
  at::Tensor factor;
  if (config.optimizer.grad_clip > 0)
    factor = clip_factor(norm, config.optimizer.grad_clip) * unscale;
  else if (unscale != 1)
    factor = at::full_like(norm, unscale);
  QueuedStep queued{.step = step,
                    .targets = targets,
                    .learning_rate = learning_rate_at(step, config.optimizer, config.schedule),
                    .facts = Readback(at::stack(facts)),
                    .data = parts_.batches.progress()};
  parts_.optimizer.step(queued.learning_rate, skip, factor);
  parts_.engine.weights_changed();
  parts_.statistics.after_update();
  return queued;
}

StepResult QueuedStep::wait() const {
  const std::vector<double> fact = facts.wait();
  const auto mean = [](double sum, std::int64_t count) {
    return count > 0 ? sum / static_cast<double>(count) : 0.0;
  };
  return {.mean_loss = mean(fact[0], targets.all),
          .last_loss = mean(fact[1], targets.last),
          .gradient_norm = fact[2],
          .learning_rate = learning_rate,
          .skipped = fact[3] != 0,
          .spike = fact.size() > 4 && fact[4] != 0,
          .data = data};
}

}  // namespace gpt
