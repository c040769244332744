// Dynamic loss scaling for float16 (Micikevicius et al. 2018, section 3.2), with the constants of
// torch.amp.GradScaler: halve at a non-finite gradient, double after 2000 good steps.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace gpt {

class GradScaler {
 public:
  // Disabled, the scale stays 1.
  explicit GradScaler(bool enabled);

  double scale() const { return scale_; }  // multiplies the loss's gradient

  // After each step: was any gradient non-finite?
  void update(bool non_finite);

  // Saved in checkpoints.
  struct State {
    double scale = 1;
    std::int64_t good_steps = 0;  // since the last change
  };
  State state() const { return {scale_, good_steps_}; }
  void restore(const State& state);

 private:
  bool enabled_;
  double scale_;
  std::int64_t good_steps_ = 0;
};

}  // namespace gpt
