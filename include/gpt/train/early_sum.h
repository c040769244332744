// The sum of the gradients over the processes of a run, part by part while the last backward pass
// of a step computes the others (Li et al. 2020, section 3.2.3).
#pragma once

#include <cstddef>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/model/engine.h"
#include "gpt/parallel/process_group.h"

namespace gpt {

class EarlySum {
 public:
  EarlySum(const Engine& engine, ProcessGroup& group) : engine_(engine), group_(group) {}
  // A process that fails on the way adds what it has all the same: the others are waiting.
  ~EarlySum();
  EarlySum(const EarlySum&) = delete;
  EarlySum& operator=(const EarlySum&) = delete;

  // The first so many parts of the engine's gradients are complete. The first call agrees with the
  // other processes that all have come so far, and throws what that throws.
  void add(std::size_t complete);

  // All have been added and are summed; false if the engine told of none.
  bool finish();

 private:
  const Engine& engine_;
  ProcessGroup& group_;
  std::vector<at::Tensor> parts_;
  std::size_t added_ = 0;
  bool begun_ = false, ended_ = false;
};

}  // namespace gpt
