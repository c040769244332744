// The learning rate of an iteration, a pure function.
#pragma once

#include <cstdint>

#include "gpt/config/train_config.h"

namespace gpt {

// nanoGPT's schedule: linear warm-up to learning_rate over warmup_iters, a cosine (Loshchilov and
// Hutter 2017, without restarts) down to min_lr at lr_decay_iters, min_lr from there on. Constant
// without decay_lr.
double learning_rate_at(std::int64_t iteration, const OptimizerConfig& optimizer,
                        const ScheduleConfig& schedule);

}  // namespace gpt
