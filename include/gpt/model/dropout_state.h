// What keyed dropout needs to know about the batch at hand.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace gpt {

// Off: no dropout (evaluation, sampling, dropout = 0).
struct DropoutState {
  bool on = false;
  double p = 0;
  std::int64_t seed = 0;
  std::int64_t step = 0;
  at::Tensor sequence_B;  // int64: each row's index in the effective batch; made on the CPU
};

}  // namespace gpt
