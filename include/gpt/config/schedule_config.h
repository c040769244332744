// The learning rate over the iterations.
#pragma once

#include <cstdint>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct ScheduleConfig {
  CONFIG(ScheduleConfig);
  FIELD(bool, decay_lr, "Warm up, then decay the learning rate along a cosine.", anything()) = true;
  FIELD(std::int64_t, warmup_iters, "Iterations of linear warm-up.", at_least(0)) = 2000;
  FIELD(std::int64_t, lr_decay_iters, "Iteration at which min_lr is reached.",
        at_least(0)) = 600000;
  FIELD(double, min_lr, "Learning rate after the decay.",
        zero_or_between(kSmallestFloat, 100)) = 6e-5;
  END_CONFIG;
};

}  // namespace gpt
