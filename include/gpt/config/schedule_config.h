// The learning rate over the iterations.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct ScheduleConfig {
  CONFIG(ScheduleConfig);
  FIELD(bool, decay_lr,
        "Warm up, then decay as lr_schedule says; False: learning_rate throughout, as in nanoGPT.",
        anything()) = true;
  FIELD(std::int64_t, warmup_iters, "Iterations of linear warm-up.", at_least(0)) = 2000;
  FIELD(std::int64_t, lr_decay_iters, "Iteration at which min_lr is reached.",
        at_least(0)) = 600000;
  FIELD(std::string, lr_schedule,
        "How the learning rate goes down after the warm-up: cosine and linear until "
        "lr_decay_iters; constant never; wsd (warm-up, stable, decay) in the last cooldown_iters "
        "before lr_decay_iters.",
        one_of("cosine", "linear", "constant", "wsd")) = "cosine";
  FIELD(AutoInt, cooldown_iters,
        "Iterations of wsd's decay. auto: a fifth of lr_decay_iters, as in llm.c.",
        auto_or_at_least(1)) = {};
  FIELD(std::string, cooldown_shape,
        "The decay of wsd: 1 - sqrt(progress), a straight line, or a half cosine.",
        one_of("sqrt", "linear", "cosine")) = "sqrt";
  FIELD(std::string, cooldown_from,
        "Begin wsd's decay at this checkpoint of a run with a constant rate: its folder, or step_N "
        "of out_dir; the new run is then written to out_dir-cooldown-N.",
        anything()) = "";
  FIELD(double, min_lr, "Learning rate after the decay.",
        zero_or_between(kSmallestFloat, 100)) = 6e-5;
  END_CONFIG;
};

}  // namespace gpt
