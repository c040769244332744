#include "gpt/train/train_step.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "gpt/base/profile_range.h"
#include "gpt/optim/gradients.h"
#include "gpt/optim/schedule.h"

namespace gpt {

void TrainStep::drop_gradients() {
  for (const Parameter& parameter : parts_.model.parameters())
    parameter.tensor.mutable_grad() = at::Tensor();
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
  std::int64_t first = 0;
  for (std::int64_t micro = 0; micro < batches.micro_batches(); ++micro) {
    const Batch batch = batches.take();
    const DropoutState dropout{.on = config.model.dropout > 0,
                               .p = config.model.dropout,
                               .seed = config.system.seed,
                               .step = step,
                               .sequence_B = batch.sequence_B};
    const at::Tensor token_N =
        parts_.engine.accumulate(batch.x_BT, batch.training_targets(), scale, dropout);
    token_loss.narrow(0, first, token_N.numel()).copy_(token_N);
    first += token_N.numel();
  }
  if (after_backward) after_backward();
  return token_loss;
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

  parts_.optimizer.sum_gradients(parts_.group, parts_.engine.gradient_buffers());
  const at::Tensor loss_sum = token_loss.sum(at::kDouble);
  const at::Tensor last_sum =
      token_loss.narrow(0, last_begin * block, (own.size() - last_begin) * block).sum(at::kDouble);
  parts_.group.sum({loss_sum, last_sum});

  // Engines know one scale for all steps, which graphs hold; how many targets count differs.
  const StepBatches::Targets targets = parts_.batches.targets();
  const double unscale = static_cast<double>(effective * block) /
                         static_cast<double>(std::max<std::int64_t>(targets.all, 1)) /
                         parts_.scaler.scale();
  const at::Tensor norm = parts_.optimizer.gradient_norm() * unscale;
  // Decided once: processes with other numbers of threads would round it otherwise.
  parts_.group.broadcast({norm});
  const at::Tensor skip = any_non_finite({norm, loss_sum.to(at::kFloat)});
  at::Tensor factor;
  if (config.optimizer.grad_clip > 0)
    factor = clip_factor(norm, config.optimizer.grad_clip) * unscale;
  else if (unscale != 1)
    factor = at::full_like(norm, unscale);
  QueuedStep queued{
      .step = step,
      .targets = targets,
      .learning_rate = learning_rate_at(step, config.optimizer, config.schedule),
      .facts =
          Readback(at::stack({loss_sum, last_sum, norm.to(at::kDouble), skip.to(at::kDouble)}))};
  parts_.optimizer.step(queued.learning_rate, skip, factor);
  parts_.engine.weights_changed();
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
          .skipped = fact[3] != 0};
}

}  // namespace gpt
