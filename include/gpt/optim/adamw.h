// AdamW (Loshchilov and Hutter 2019, algorithm 2) over two groups: tensors with two or more
// dimensions decay, biases and LayerNorms do not.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/config/train_config.h"

namespace gpt {

class AdamW {
 public:
  // `parameters` are leaves on their final device; moments are float32 beside them, made here, so
  // that step() allocates nothing.
  AdamW(std::vector<at::Tensor> parameters, const OptimizerConfig& config);

  AdamW(const AdamW&) = delete;  // place_ points into this object
  AdamW& operator=(const AdamW&) = delete;

  // One update from the parameters' .grad(); every parameter must have one. Where the float32
  // scalar `skip` is 1, nothing is written and the step does not count.
  void step(double learning_rate, const at::Tensor& skip);

  struct Group {
    double weight_decay = 0;
    std::vector<std::size_t> index;                                // into the parameters given
    std::vector<at::Tensor> parameter, exp_avg, exp_avg_sq, step;  // step: float32 scalars
  };
  const Group& decay() const { return decay_; }
  const Group& no_decay() const { return no_decay_; }

  // State of parameter i, for checkpoints; tensors may be copied into.
  struct State {
    at::Tensor exp_avg, exp_avg_sq, step;
  };
  State state(std::size_t parameter) const;

 private:
  void add(Group& group, std::size_t index, const at::Tensor& parameter);

  OptimizerConfig config_;
  Group decay_, no_decay_;
  std::vector<std::pair<Group*, std::size_t>> place_;  // of each parameter
};

}  // namespace gpt
