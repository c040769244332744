// A small run on the GPU.
#pragma once

#include "gpu.h"
#include "support/tiny_run.h"

namespace gpt::testing {

inline TrainConfig small_config(const TempDir& dir, const std::string& run) {
  TrainConfig config = tiny_config(dir);
  config.io.out_dir = (dir / run).string();
  config.io.eval_iters = 2;
  config.io.eval_interval = 100;
  config.data.gradient_accumulation_steps = 2;
  config.data.block_size = 128;
  config.model.n_embd = 128;
  config.optimizer.learning_rate = 1e-3;
  config.schedule.decay_lr = false;
  return config;
}

}  // namespace gpt::testing
