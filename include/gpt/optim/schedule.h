// The learning rate of an iteration, a pure function.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/train_config.h"

namespace gpt {

// Linear warm-up as nanoGPT's, to learning_rate over warmup_iters; then lr_schedule:
//   cosine    a half cosine (Loshchilov and Hutter 2017, without restarts) down to min_lr at
//             lr_decay_iters: nanoGPT's
//   linear    a straight line from and to the same points
//   constant  learning_rate
//   wsd       learning_rate, and in the last cooldown_iters before lr_decay_iters down to min_lr in
//             cooldown_shape (warm-up, stable, decay: Hu et al. 2024, MiniCPM; 1 - sqrt: Haegele et
//             al. 2024); with sqrt and auto llm.c's
// min_lr from lr_decay_iters on, but with constant. With decay_lr off: learning_rate, without a
// warm-up, as in nanoGPT.
double learning_rate_at(std::int64_t iteration, const OptimizerConfig& optimizer,
                        const ScheduleConfig& schedule);

// cooldown_iters, or the fifth of lr_decay_iters that auto stands for: the last 0.2 N, where llm.c
// begins at int(0.8 N).
std::int64_t cooldown_iterations(const ScheduleConfig& schedule);

// "warm-up 2000 iterations to 0.0006, then cosine to 6e-05 at iteration 600000".
std::string schedule_text(const OptimizerConfig& optimizer, const ScheduleConfig& schedule);

}  // namespace gpt
