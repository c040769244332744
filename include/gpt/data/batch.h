// What the model is trained on in one forward pass.
// Legend: B sequences of the micro-batch, T tokens of a sequence.
#pragma once

#include <ATen/core/Tensor.h>

namespace gpt {

struct Batch {
  at::Tensor x_BT;        // int64, on the device
  at::Tensor y_BT;        // int64, on the device: x one token later
  at::Tensor sequence_B;  // int64, CPU: each row's index in the effective batch; keys dropout
};

}  // namespace gpt
