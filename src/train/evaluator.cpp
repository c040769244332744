#include "gpt/train/evaluator.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <ATen/ATen.h>

#include "gpt/device/readback.h"

namespace gpt {

namespace {

// The sum of a batch's token losses, on its way: the device continues with the next batch
// meanwhile.
struct BatchLoss {
  Readback sum;
  std::int64_t tokens;

  double mean() const { return sum.wait().front() / static_cast<double>(tokens); }
};

BatchLoss batch_loss(Engine& engine, StepBatches& batches, ProcessGroup& group) {
  // A process has no piece where there are more processes than sequences.
  const at::Tensor sum =
      at::zeros({}, at::TensorOptions().device(batches.device()).dtype(at::kDouble));
  for (std::int64_t piece = 0; piece < batches.evaluation_pieces(); ++piece) {
    const Batch batch = batches.take();
    sum.add_(engine.token_losses(batch.x_BT, batch.y_BT).sum(at::kDouble));
  }
  group.sum({sum});
  return {Readback(sum.view({1})), batches.evaluation_tokens()};
}

}  // namespace

std::optional<SplitLosses> estimate_loss(
    Engine& engine, StepBatches& batches, ProcessGroup& group, std::int64_t eval_iters,
    const std::function<bool(std::int64_t, std::int64_t)>& progress) {
  std::int64_t done = 0;
  const auto mean_over = [&](Split split) -> std::optional<double> {
    // A few batches ahead: what has been drawn stays in memory until it is read.
    constexpr std::int64_t kAhead = 4;
    std::int64_t requested = std::min(eval_iters, kAhead);
    batches.request_evaluation(split, requested);
    double sum = 0;
    std::optional<BatchLoss> before;
    for (std::int64_t i = 0; i < eval_iters; ++i) {
      BatchLoss batch = batch_loss(engine, batches, group);
      if (requested < eval_iters) {
        batches.request_evaluation(split, 1);
        ++requested;
      }
      if (before) sum += before->mean();
      before.emplace(std::move(batch));
      if (!progress(++done, 2 * eval_iters)) {
        batches.abandon_evaluation();
        return std::nullopt;
      }
    }
    if (before) sum += before->mean();
    return sum / static_cast<double>(eval_iters);
  };
  const auto train = mean_over(Split::kTrain);
  const auto val = train ? mean_over(Split::kVal) : std::nullopt;
  if (!val) return std::nullopt;
  return SplitLosses{*train, *val};
}

}  // namespace gpt
