#include "gpt/train/evaluator.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <ATen/ATen.h>

#include "gpt/base/log.h"
#include "gpt/device/readback.h"

namespace gpt {

namespace {

// Targets of a batch that count, and the others: the sums of their losses, and how many they are.
enum Sum { kCountedLoss, kCounted, kMaskedLoss, kMasked, kSums };

// On its way: the device continues with the next batch meanwhile. Without a mask the sum of the
// losses alone: how many there are is known.
Readback batch_sums(Engine& engine, StepBatches& batches, ProcessGroup& group, bool masks,
                    const std::function<bool()>& stopped) {
  // A process has no piece where there are more processes than sequences.
  const at::Tensor sums = at::zeros(
      {masks ? kSums : 1}, at::TensorOptions().device(batches.device()).dtype(at::kDouble));
  const auto add = [&](Sum which, const at::Tensor& values) {
    sums[which].add_(values.sum(at::kDouble));
  };
  for (std::int64_t piece = 0; piece < batches.evaluation_pieces(); ++piece) {
    if (stopped && stopped()) break;
    const Batch batch = batches.take();
    const at::Tensor loss_N = engine.token_losses(batch.x_BT, batch.y_BT);
    if (!batch.counted_BT.defined()) {
      add(kCountedLoss, loss_N);
      if (masks) sums[kCounted].add_(static_cast<double>(loss_N.numel()));
      continue;
    }
    const at::Tensor counted_N = batch.counted_BT.flatten().to(loss_N.device()),
                     masked_N = counted_N.logical_not();
    add(kCountedLoss, loss_N.masked_fill(masked_N, 0));
    add(kCounted, counted_N);
    add(kMaskedLoss, loss_N.masked_fill(counted_N, 0));
    add(kMasked, masked_N);
  }
  group.sum({sums});
  return Readback(sums);
}

struct SplitLoss {
  double counted = 0;
  std::optional<double> masked = {};
};

// The mean over the targets of several batches. A batch weighs what its targets are of all that it
// could have: 1 without a mask, where this is nanoGPT's mean of the batches' means, bit for bit.
class MeanLoss {
 public:
  explicit MeanLoss(std::int64_t tokens) : tokens_(static_cast<double>(tokens)) {}

  void add(const Readback& sums) {
    const std::vector<double> sum = sums.wait();
    for (std::size_t i = 0; i < sum.size(); ++i) sums_[i] += sum[i] / tokens_;
    if (sum.size() == 1) sums_[kCounted] += 1;  // of a batch without a mask, all
  }

  SplitLoss loss() const {
    SplitLoss loss;
    if (sums_[kMasked] > 0) loss.masked = sums_[kMaskedLoss] / sums_[kMasked];
    if (sums_[kCounted] > 0) {
      loss.counted = sums_[kCountedLoss] / sums_[kCounted];
    } else {
      log_warning(
          "no target of the evaluation's batches counts (loss_mask), so there is no loss; a larger "
          "eval_iters draws more");
      loss.counted = kNoLoss;
    }
    return loss;
  }

 private:
  static constexpr double kNoLoss = 1e9;  // nanoGPT's best_val_loss before the first: never best
  double tokens_;
  std::array<double, kSums> sums_ = {};
};

}  // namespace

std::optional<SplitLosses> estimate_loss(
    Engine& engine, StepBatches& batches, ProcessGroup& group, std::int64_t eval_iters,
    const std::function<bool(std::int64_t, std::int64_t)>& progress,
    const std::function<bool()>& stopped) {
  std::int64_t done = 0;
  const auto mean_over = [&](Split split) -> std::optional<SplitLoss> {
    // A few batches ahead: what has been drawn stays in memory until it is read.
    constexpr std::int64_t kAhead = 4;
    std::int64_t requested = std::min(eval_iters, kAhead);
    batches.request_evaluation(split, requested);
    MeanLoss mean(batches.evaluation_tokens());
    const bool masks = batches.has_masks(split);
    std::optional<Readback> before;
    for (std::int64_t i = 0; i < eval_iters; ++i) {
      Readback sums = batch_sums(engine, batches, group, masks, stopped);
      if (requested < eval_iters) {
        batches.request_evaluation(split, 1);
        ++requested;
      }
      if (before) mean.add(*before);
      before.emplace(std::move(sums));
      if (!progress(++done, 2 * eval_iters)) {
        batches.abandon_evaluation();
        return std::nullopt;
      }
    }
    if (before) mean.add(*before);
    return mean.loss();
  };
  const auto train = mean_over(Split::kTrain);
  const auto val = train ? mean_over(Split::kVal) : std::nullopt;
  if (!val) return std::nullopt;
  return SplitLosses{train->counted, val->counted, train->masked, val->masked};
}

}  // namespace gpt
