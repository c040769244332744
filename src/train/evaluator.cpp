#include "gpt/train/evaluator.h"

#include <optional>

#include <ATen/ATen.h>

#include "gpt/train/autocast.h"

namespace gpt {

namespace {

double batch_loss(const Gpt& model, Batches& batches, const Compute& compute) {
  double sum = 0;
  std::int64_t tokens = 0;
  for (std::int64_t piece = 0; piece < batches.evaluation_pieces(); ++piece) {
    const Batch batch = batches.take();
    const AutocastGuard autocast(compute.device.type(), compute.type);
    const auto loss = model.loss(batch.x_BT, batch.y_BT, head_options(1.0, 1.0, compute.type));
    sum += loss.token_N.sum(at::kDouble).item<double>();
    tokens += batch.y_BT.numel();
  }
  return sum / static_cast<double>(tokens);
}

}  // namespace

LmHeadOptions head_options(double scale, double gradient_scale, c10::ScalarType type) {
  LmHeadOptions options{.scale = scale, .gradient_scale = gradient_scale};
  if (type != at::kFloat) options.compute_type = type;
  return options;
}

std::optional<SplitLosses> estimate_loss(
    const Gpt& model, const Dataset& dataset, Batches& batches, std::int64_t eval_iters,
    const Compute& compute, const std::function<bool(std::int64_t, std::int64_t)>& progress) {
  const at::NoGradGuard no_grad;
  std::int64_t done = 0;
  const auto mean_over = [&](const TokenFile& split) -> std::optional<double> {
    batches.request_evaluation(split, eval_iters);
    double sum = 0;
    for (std::int64_t i = 0; i < eval_iters; ++i) {
      sum += batch_loss(model, batches, compute);
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
