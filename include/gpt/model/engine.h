// How a model is computed: what the loop needs from it, whichever engine does the work.
#pragma once

#include <memory>

#include <ATen/core/Tensor.h>

#include "gpt/config/train_config.h"
#include "gpt/kernels/compute.h"
#include "gpt/model/dropout_state.h"
#include "gpt/model/gpt.h"

namespace gpt {

// Factors of a micro-batch's gradient.
struct LossScale {
  double per_token = 1;  // 1 / tokens of the effective batch
  double gradient = 1;   // the fp16 loss scale
};

class Engine {
 public:
  virtual ~Engine() = default;

  // Forward and backward of tokens x (B,T) and the tokens that follow them, int64 on the device.
  // Adds per_token * gradient * d(sum of the token losses) to every parameter's .grad(), float32,
  // made where it is undefined. Returns the B*T token losses, float32, on the device.
  virtual at::Tensor accumulate(const at::Tensor& x_BT, const at::Tensor& y_BT,
                                const LossScale& scale, const DropoutState& dropout) = 0;

  // The B*T token losses alone: no gradients, no dropout.
  virtual at::Tensor token_losses(const at::Tensor& x_BT, const at::Tensor& y_BT) = 0;

  // The optimizer has written the weights; copies of them are out of date.
  virtual void weights_changed() {}
};

// The engine that config.system.compile asks for. `model` must outlive it and be on its device.
std::unique_ptr<Engine> make_engine(const TrainConfig& config, const Gpt& model,
                                    const Compute& compute);

}  // namespace gpt
