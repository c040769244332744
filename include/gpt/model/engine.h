// How a model is computed: what the loop needs from it, whichever engine does the work.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "gpt/config/plan.h"
#include "gpt/config/train_config.h"
#include "gpt/device/compute.h"
#include "gpt/model/dropout_state.h"
#include "gpt/model/engine_kind.h"
#include "gpt/model/gpt.h"

namespace gpt {

// Factors of a micro-batch's gradient.
struct LossScale {
  double per_token = 1;  // 1 / tokens of the effective batch
  double gradient = 1;   // the fp16 loss scale
  bool operator==(const LossScale&) const = default;
};

// What a settled config says of the plan, without the sizes of batches.
Plan plan_of(const ModelConfig& model, const MemoryConfig& memory, std::int64_t vocab_size);

// Any call may throw for want of memory. The weights are then as they were; the gradients may hold
// anything, and whoever drops them may start the whole batch again.
class Engine {
 public:
  virtual ~Engine() = default;

  virtual EngineKind kind() const = 0;

  // Forward and backward of tokens x (B,T) and the tokens that follow them, int64 on the device.
  // Adds per_token * gradient * d(sum of the token losses) to every parameter's .grad(), float32,
  // made where it is undefined. Returns the B*T token losses, float32, on the device.
  virtual at::Tensor accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT,
                                const LossScale& scale, const DropoutState& dropout) = 0;

  // The same for the last micro-batch of a step. As soon as no later work will touch some of
  // gradient_parts(), `complete` gets how many of them, from the first on, that are by now; it may
  // throw.
  using GradientsComplete = std::function<void(std::size_t parts)>;
  virtual at::Tensor accumulate_last(const at::Tensor& x_BT, const at::Tensor& y_BT,
                                     const LossScale& scale, const DropoutState& dropout,
                                     const GradientsComplete& /*complete*/) {
    return accumulate(x_BT, y_BT, scale, dropout);
  }

  // gradient_buffers() as flat parts, in the order in which the backward pass completes them; none
  // where accumulate_last() does not tell. The same in all processes of a run.
  virtual std::vector<at::Tensor> gradient_parts() const { return {}; }

  // What holds the gradients of the weights after accumulate(): contiguous float32 tensors on the
  // device, of which every parameter's .grad() is a view or one. Elements between those views are
  // zero.
  virtual std::vector<at::Tensor> gradient_buffers() const = 0;

  // The B*T token losses alone: no gradients, no dropout.
  virtual at::Tensor token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) = 0;

  // The optimizer has written the weights; copies of them are out of date. Allocates nothing: it is
  // too late to do the step again.
  virtual void weights_changed() {}

  // From the next call on: what is computed again, and the head's chunk. Neither changes more than
  // the order of a summation.
  virtual void replan(const Plan& plan) = 0;

  // From the next call on, a token attends to what comes after the last `end_token` before it, and
  // to nothing before: an end token belongs to the document that it ends. Positions stay those of
  // the sequence.
  virtual void mask_documents(std::int64_t end_token) = 0;

  // Gives back everything that a later call can make again.
  virtual void release_memory() {}

  // How many device graphs stand in for launches at the moment.
  virtual std::size_t recorded_graphs() const { return 0; }
};

// The engine of engine_kind() for config.system.compile. `model` must outlive it and be on its
// device.
std::unique_ptr<Engine> make_engine(const TrainConfig& config, const Gpt& model,
                                    const Compute& compute);

}  // namespace gpt
