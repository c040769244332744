// The engines by name; make_engine() chooses. For tests and measurements that compare them.
#pragma once

#include <memory>

#include "gpt/model/engine.h"

namespace gpt {

// nanoGPT's way: modules, autograd, autocast.
std::unique_ptr<Engine> make_eager_engine(const TrainConfig& config, const Gpt& model,
                                          const Compute& compute);

// The fused engine of the CPU: float32 and bfloat16.
std::unique_ptr<Engine> make_cpu_engine(const TrainConfig& config, const Gpt& model,
                                        const Compute& compute);

// The fused engine on ATen tensors, for GPUs: it runs on any device.
std::unique_ptr<Engine> make_tensor_engine(const TrainConfig& config, const Gpt& model,
                                           const Compute& compute);

}  // namespace gpt
