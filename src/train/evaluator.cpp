#include "gpt/train/evaluator.h"

#include <optional>

#include <ATen/ATen.h>

namespace gpt {

namespace {

double batch_loss(Engine& engine, Batches& batches) {
  double sum = 0;
  std::int64_t tokens = 0;
  for (std::int64_t piece = 0; piece < batches.evaluation_pieces(); ++piece) {
    const Batch batch = batches.take();
    sum += engine.token_losses(batch.x_BT, batch.y_BT).sum(at::kDouble).item<double>();
    tokens += batch.y_BT.numel();
  }
  return sum / static_cast<double>(tokens);
}

}  // namespace

std::optional<SplitLosses> estimate_loss(
    Engine& engine, const Dataset& dataset, Batches& batches, std::int64_t eval_iters,
    const std::function<bool(std::int64_t, std::int64_t)>& progress) {
  std::int64_t done = 0;
  const auto mean_over = [&](const TokenFile& split) -> std::optional<double> {
    batches.request_evaluation(split, eval_iters);
    double sum = 0;
    for (std::int64_t i = 0; i < eval_iters; ++i) {
      sum += batch_loss(engine, batches);
      if (!progress(++done, 2 * eval_iters)) {
        batches.abandon_evaluation();
        return std::nullopt;
      }
    }
    return sum / static_cast<double>(eval_iters);
  };
  const auto train = mean_over(dataset.train);
  const auto val = train ? mean_over(dataset.val) : std::nullopt;
  if (!val) return std::nullopt;
  return SplitLosses{*train, *val};
}

}  // namespace gpt
