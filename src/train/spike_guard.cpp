#include "gpt/train/spike_guard.h"

#include <algorithm>
#include <cmath>

#include "gpt/base/strings.h"

namespace gpt {

std::string Spike::window_list(std::size_t most) const {
  std::string list;
  for (std::size_t i = 0; i < std::min(most, windows.size()); ++i)
    list += (i > 0 ? ", " : "") + windows[i];
  if (windows.size() > most) list += concat(", ... (", windows.size(), " in all)");
  return list;
}

std::string Spike::text() const {
  constexpr std::size_t kShown = 6;
  std::string line = format("iter %ld: spike: loss %.4f (z %.1f), gradient norm %.4g (z %.1f); ",
                            step, loss, loss_z, gradient_norm, gradient_norm_z) +
                     action;
  if (windows.empty()) return line;
  return concat(line, "; its windows begin at ", window_list(kShown),
                windows.size() > kShown ? ", all of them in metrics.jsonl" : "",
                ": `gpttrain data show ", windows.front(), "` shows the text");
}

SpikeGuard::SpikeGuard(const OptimizerConfig& config, const Manifest& start)
    : mode_(config.spike), threshold_(config.spike_threshold) {
  restore(start);
}

void SpikeGuard::restore(const Manifest& manifest) {
  values_.clear();
  if (on()) values_ = manifest.recent_steps;
}

void SpikeGuard::add(std::int64_t step, double loss, double gradient_norm) {
  if (!on()) return;
  // One more than a window, for the newest is not in the next step's.
  if (values_.size() > kWindow) values_.erase(values_.begin());
  values_.push_back({step, loss, gradient_norm});
}

// Steps that are all but equal have a spread of nothing but rounding, so a thousandth of the mean
// is the least that counts.
SpikeGuard::Statistics SpikeGuard::statistics(const StepValues* first, std::size_t count,
                                              double StepValues::*value) {
  constexpr double kLeastShare = 1e-3, kLeastSpread = 1e-12;
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < count; ++i) sum += first[i].*value;
  const double mean = sum / static_cast<double>(count);
  for (std::size_t i = 0; i < count; ++i) squares += std::pow(first[i].*value - mean, 2);
  const double deviation = std::sqrt(squares / static_cast<double>(count));
  return {mean, std::max({deviation, kLeastShare * std::abs(mean), kLeastSpread})};
}

std::optional<SpikeGuard::Window> SpikeGuard::window(std::int64_t step) const {
  std::size_t end = values_.size();
  while (end > 0 && values_[end - 1].step > step - 2) --end;
  const std::size_t count = std::min(end, kWindow);
  if (count < kLeast) return std::nullopt;
  const StepValues* first = values_.data() + (end - count);
  return Window{statistics(first, count, &StepValues::loss),
                statistics(first, count, &StepValues::gradient_norm)};
}

SpikeLimits SpikeGuard::limits(std::int64_t step) const {
  const auto now = window(step);
  if (!now) return {};
  const auto limit = [&](const Statistics& s) { return s.mean + threshold_ * s.spread; };
  return {limit(now->loss), limit(now->gradient_norm)};
}

Spike SpikeGuard::scored(std::int64_t step, double loss, double gradient_norm) const {
  Spike spike{
      .step = step, .loss = loss, .gradient_norm = gradient_norm, .action = {}, .windows = {}};
  if (const auto now = window(step)) {
    spike.loss_z = now->loss.z(loss);
    spike.gradient_norm_z = now->gradient_norm.z(gradient_norm);
  }
  return spike;
}

}  // namespace gpt
