#include "gpt/train/step_statistics.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/device/device.h"
#include "gpt/device/memory_failure.h"
#include "gpt/memory/step_table.h"
#include "gpt/train/activation_statistics.h"

namespace gpt {

namespace {

at::Tensor square_sum(const at::Tensor& x) {
  return at::linalg_vector_norm(x).to(at::kDouble).square();
}

std::vector<double> on_host(const at::Tensor& values_N) {
  const at::Tensor host_N = values_N.to(at::kCPU).contiguous();
  const double* data = host_N.const_data_ptr<double>();
  return {data, data + host_N.numel()};
}

// Sums over the parameters of a layer, the layers in the order of the parameters.
std::vector<std::pair<std::string, double>> by_layer(const ParameterList& parameters,
                                                     const double* of_parameter) {
  std::vector<std::pair<std::string, double>> layers;
  for (const Parameter& parameter : parameters) {
    const std::string layer = layer_of(parameter.name);
    if (layers.empty() || layers.back().first != layer) layers.emplace_back(layer, 0);
    layers.back().second += *of_parameter++;
  }
  return layers;
}

}  // namespace

std::string layer_of(const std::string& parameter) {
  constexpr std::string_view kModel = "transformer.", kBlock = "h.";
  std::string name = parameter.substr(parameter.starts_with(kModel) ? kModel.size() : 0);
  const std::size_t from = name.starts_with(kBlock) ? kBlock.size() : 0;
  return name.substr(0, name.find('.', from));
}

GradientNoise GradientNoise::from(double small_square, double one_by_small, double big_square,
                                  double one_by_big) {
  GradientNoise noise;
  noise.variance = (small_square - big_square) / (one_by_small - one_by_big);
  noise.square = big_square - noise.variance * one_by_big;
  return noise;
}

void StepStatistics::attempt(const char* what, const std::function<void()>& work) {
  const at::NoGradGuard no_grad;
  const auto why = out_of_memory(work);
  if (!why || std::exchange(said_memory_, true)) return;
  log_warning(concat("iter ", step_, ": no memory for the statistics of ", what, " (",
                     missing_memory(parts_.compute.device),
                     "); the run continues without them, stats_interval=0 ends the attempts"));
}

void StepStatistics::begin(std::int64_t step) {
  due_ = due(step);
  step_ = step;
  passed_ = false;
  activations_ = squares_ = at::Tensor();
  before_.clear();
  if (!due_) return;
  const auto count = static_cast<std::int64_t>(parts_.model.parameters().size());
  const auto options = at::TensorOptions().device(parts_.compute.device).dtype(at::kDouble);
  squares_ = at::zeros({count + 3}, options);
  activations_ = at::zeros({activation_sum_count(parts_.config.model)}, options);
}

// Before the pass, which leaves memory that it needs later.
void StepStatistics::before_pass(const Batch& batch) {
  if (!due_) return;
  const DataConfig& data = parts_.config.data;
  const std::int64_t all = statistics_sequences(data.batch_size, data.block_size);
  const std::int64_t first = batch.sequence_B[0].item<std::int64_t>();
  const std::int64_t here = std::clamp<std::int64_t>(all - first, 0, batch.x_BT.size(0));
  const std::int64_t most = statistics_sequences_at_once(data.block_size);
  if (here == 0) return;
  attempt("activations", [&] {
    at::Tensor sums = at::zeros_like(activations_);
    for (std::int64_t from = 0; from < here; from += most)
      sums += activation_sums(parts_.model.parameters(), parts_.config.model, parts_.compute.device,
                              batch.x_BT.narrow(0, from, std::min(most, here - from)),
                              parts_.document_end);
    activations_ += sums;
  });
}

void StepStatistics::after_pass(const Batch& batch) {
  if (!due_ || std::exchange(passed_, true)) return;
  attempt("gradients", [&] {
    at::Tensor sum = at::zeros({}, squares_.options());
    for (const Parameter& parameter : parts_.model.parameters())
      sum += square_sum(parameter.tensor.grad());
    const auto size = static_cast<double>(batch.x_BT.size(0));
    const std::int64_t end = squares_.size(0);
    // Of the mean over its own sequences; the step's gradient is a mean over all.
    squares_[end - 3].copy_(sum / (size * size));
    squares_[end - 2].fill_(1 / size);
    squares_[end - 1].fill_(1);
  });
}

void StepStatistics::before_update(std::int64_t effective_batch, double scale) {
  if (!due_) return;
  const at::NoGradGuard no_grad;
  effective_ = effective_batch;
  unscaled_ = 1 / (scale * scale);
  const ParameterList& parameters = parts_.model.parameters();
  const bool spread = parts_.config.memory.zero > 0 && parts_.group.size() > 1;
  if (spread || first())
    attempt("gradients", [&] {
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        const at::Tensor gradient = parameters[i].tensor.grad().reshape({-1});
        const Optimizer::Part part = parts_.optimizer.own_part(i);
        const std::int64_t count = part.count.value_or(gradient.size(0));
        if (count > 0)
          squares_[static_cast<std::int64_t>(i)].copy_(
              square_sum(gradient.narrow(0, part.first, count)));
      }
    });
  parts_.group.sum({squares_, activations_});
  if (!first()) return;
  attempt("updates", [&] {
    for (const Parameter& parameter : parameters)
      before_.push_back(parameter.tensor.detach().clone());
  });
  if (before_.size() < parameters.size()) before_.clear();
}

void StepStatistics::add_noise(const std::vector<double>& facts, double big_square,
                               Values& values) {
  const auto effective = static_cast<double>(effective_);
  const double passes = facts[2];
  const double one_by_small = passes > 0 ? facts[1] / passes : 0;
  if (one_by_small <= 1.5 / effective) {
    if (!std::exchange(said_noise_, true))
      log_info(
          "stats_interval: no gradient noise scale, which compares the gradient of a micro-batch "
          "with that of the step: the step is one micro-batch; a smaller micro_batch_size gives "
          "it");
    return;
  }
  // The first pass holds sums over its sequences, divided by the effective batch.
  const double small_square = unscaled_ * effective * effective * facts[0] / passes;
  const GradientNoise noise =
      GradientNoise::from(small_square, one_by_small, big_square, 1 / effective);
  values.emplace_back("gradient_variance", noise.variance);
  values.emplace_back("gradient_square", noise.square);
  if (!std::isfinite(noise.variance) || !std::isfinite(noise.square)) return;
  constexpr double kKept = 0.9;
  weight_ = kKept * weight_ + 1;
  mean_variance_ += (noise.variance - mean_variance_) / weight_;
  mean_square_ += (noise.square - mean_square_) / weight_;
  if (mean_square_ > 0)
    values.emplace_back(
        "noise_scale_tokens",
        mean_variance_ / mean_square_ * static_cast<double>(parts_.config.data.block_size));
}

void StepStatistics::after_update() {
  if (!due_ || !first()) return;
  const at::NoGradGuard no_grad;
  const ParameterList& parameters = parts_.model.parameters();
  const std::size_t count = parameters.size();
  // A weight in the host's memory may still be on its way from the device.
  synchronize(parts_.compute.device);
  const std::vector<double> squares = on_host(squares_);
  Values values;
  double all = 0;
  for (const auto& [layer, square] : by_layer(parameters, squares.data())) {
    values.emplace_back("grad_norm/" + layer, std::sqrt(square * unscaled_));
    all += square * unscaled_;
  }
  if (!before_.empty()) {
    std::vector<double> weights, updates;
    for (std::size_t i = 0; i < count; ++i) {
      weights.push_back(square_sum(before_[i]).item<double>());
      updates.push_back(square_sum(before_[i].sub_(parameters[i].tensor.detach())).item<double>());
    }
    const auto change = by_layer(parameters, updates.data());
    std::size_t at = 0;
    for (const auto& [layer, square] : by_layer(parameters, weights.data())) {
      values.emplace_back("weight_norm/" + layer, std::sqrt(square));
      if (square > 0)
        values.emplace_back("update_ratio/" + layer, std::sqrt(change[at].second / square));
      ++at;
    }
  }
  for (auto& value : activation_values(parts_.config.model, on_host(activations_)))
    values.push_back(std::move(value));
  add_noise({squares.begin() + static_cast<std::ptrdiff_t>(count), squares.end()}, all, values);
  before_.clear();
  activations_ = squares_ = at::Tensor();
  parts_.report(step_, values);
}

}  // namespace gpt
