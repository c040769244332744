// What tells that a kernel went wrong while a run uses it: at every evaluation one sequence goes
// through the engine in use and through the eager engine with plain attention.
#pragma once

#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "gpt/model/engine.h"
#include "gpt/train/dataset.h"

namespace gpt {

class Canary {
 public:
  // The sequence is the first of the validation tokens.
  Canary(const TrainConfig& config, const Gpt& model, const Compute& compute,
         const Dataset& dataset);

  // What is wrong with the losses of `engine`: their mean is more than 1e-2 nats off, or a value is
  // not finite. Nothing where all is well, where the weights themselves give no finite loss, and
  // where there is no memory to spare.
  std::optional<std::string> complaint(Engine& engine) const;

 private:
  bool fits() const;
  at::Tensor plain_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) const;

  TrainConfig config_;
  const Gpt& model_;
  Compute compute_;
  std::optional<std::int64_t> document_end_;
  at::Tensor tokens_BT_;  // on the CPU, one more than a sequence
};

}  // namespace gpt
