// Steps whose loss or gradient norm is far above those before them. After llm.c's outlier detector:
// z-scores over a window of earlier steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "gpt/checkpoint/manifest.h"
#include "gpt/config/optimizer_config.h"

namespace gpt {

// A step above either of these is a spike.
struct SpikeLimits {
  double loss = std::numeric_limits<double>::infinity();
  double gradient_norm = std::numeric_limits<double>::infinity();
};

// A spike that was met.
struct Spike {
  std::int64_t step = 0;
  double loss = 0, loss_z = 0;  // z: standard deviations above the mean of the window
  double gradient_norm = 0, gradient_norm_z = 0;
  std::string action;                // "the update was skipped"
  std::vector<std::string> windows;  // of the step: FILE:TOKEN, where they begin

  // One line: what it was, what became of it, and which text it came from.
  std::string text() const;
  // The windows, separated by commas; of more than there is space for on a line, the first ones.
  std::string window_list(std::size_t most) const;
};

// The window of step N ends with step N - 2: on a GPU the numbers of step N - 1 are read only when
// N is queued, and the device is not to wait for them. Values that are not finite and steps that
// were skipped do not enter it.
class SpikeGuard {
 public:
  static constexpr std::size_t kWindow = 128;  // steps
  static constexpr std::size_t kLeast = 16;    // with fewer, nothing is a spike

  // Continues with what `start` has of earlier steps.
  SpikeGuard(const OptimizerConfig& config, const Manifest& start);

  bool on() const { return mode_ != "off"; }
  // A spike's update is not made.
  bool skips() const { return mode_ == "skip" || mode_ == "rollback"; }
  bool rolls_back() const { return mode_ == "rollback"; }

  SpikeLimits limits(std::int64_t step) const;
  // The z-scores of a step; 0 while there are too few values.
  Spike scored(std::int64_t step, double loss, double gradient_norm) const;

  // A step that was not skipped.
  void add(std::int64_t step, double loss, double gradient_norm);

  // For checkpoints.
  const std::vector<StepValues>& values() const { return values_; }
  void restore(const Manifest& manifest);

 private:
  struct Statistics {
    double mean = 0, spread = 0;
    double z(double value) const { return (value - mean) / spread; }
  };
  struct Window {
    Statistics loss, gradient_norm;
  };
  std::optional<Window> window(std::int64_t step) const;
  static Statistics statistics(const StepValues* first, std::size_t count,
                               double StepValues::*value);

  std::string mode_;
  double threshold_;
  std::vector<StepValues> values_;  // oldest first
};

}  // namespace gpt
