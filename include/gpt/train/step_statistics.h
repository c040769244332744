// Statistics by layer of one step in stats_interval: gradients, weights, updates, activations, and
// the noise of the gradient. It reads what the step has anyway and changes none of it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/config/train_config.h"
#include "gpt/data/prefetcher.h"
#include "gpt/device/compute.h"
#include "gpt/model/gpt.h"
#include "gpt/optim/optimizer.h"
#include "gpt/parallel/process_group.h"

namespace gpt {

// The gradient noise scale (McCandlish et al. 2018, appendix A.1): from the squared norms of
// gradients of two sizes of batch, the trace of the covariance of one sequence's gradient and the
// square of the true gradient.
struct GradientNoise {
  double variance = 0;  // tr(Sigma)
  double square = 0;    // |G|^2; an estimate, which may be negative

  static GradientNoise from(double small_square, double one_by_small, double big_square,
                            double one_by_big);
};

class StepStatistics {
 public:
  using Values = std::vector<std::pair<std::string, double>>;
  struct Parts {
    const TrainConfig& config;
    Compute compute;
    const Gpt& model;
    const Optimizer& optimizer;
    ProcessGroup& group;
    std::optional<std::int64_t> document_end;  // with document_mask
    // Told in the first process, when a step that was looked at is complete.
    std::function<void(std::int64_t step, const Values& values)> report;
  };

  explicit StepStatistics(Parts parts) : parts_(std::move(parts)) {}

  bool due(std::int64_t step) const {
    const std::int64_t interval = parts_.config.monitor.stats_interval;
    return interval > 0 && step % interval == 0;
  }

  // In the order of a step. Each returns at once if the step is none of those to look at.
  void begin(std::int64_t step);         // or begin it again
  void before_pass(const Batch& batch);  // of a micro-batch
  void after_pass(const Batch& batch);
  // The gradients are summed; of a micro-batch they are `scale` times those of the loss.
  void before_update(std::int64_t effective_batch, double scale);
  void after_update();

 private:
  bool first() const { return parts_.group.is_first(); }
  // What lacks memory is left out; that is said once.
  void attempt(const char* what, const std::function<void()>& work);
  // facts: of the first passes, see squares_. big_square: of the step's gradient.
  void add_noise(const std::vector<double>& facts, double big_square, Values& values);

  Parts parts_;
  bool due_ = false, passed_ = false, said_memory_ = false, said_noise_ = false;
  std::int64_t step_ = -1, effective_ = 0;
  double unscaled_ = 1;     // the square of 1 / scale
  at::Tensor activations_;  // sums, see activation_statistics.h
  // Sums of squares of each parameter's gradient; then, of the processes' first passes, the squares
  // of their gradients by those of their sequences, 1 by these, and how many there are.
  at::Tensor squares_;
  std::vector<at::Tensor> before_;  // the weights
  // Means over the looks so far, the newest counting most: single ones say little.
  double mean_variance_ = 0, mean_square_ = 0, weight_ = 0;
};

// "h.3" for "transformer.h.3.attn.c_attn.weight", "wte", "ln_f".
std::string layer_of(const std::string& parameter);

}  // namespace gpt
