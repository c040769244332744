// AdamW, clipping and the length of the run.
#pragma once

#include <cstdint>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct OptimizerConfig {
  CONFIG(OptimizerConfig);
  FIELD(double, learning_rate, "Peak learning rate.", zero_or_between(kSmallestFloat, 100)) = 6e-4;
  FIELD(std::int64_t, max_iters, "Last iteration; counting starts at 0.", at_least(0)) = 600000;
  FIELD(double, weight_decay, "AdamW decay of tensors with two or more dimensions.",
        zero_or_between(kSmallestFloat, 100)) = 1e-1;
  FIELD(double, beta1, "AdamW first-moment decay.", between(0.0, 0.999999)) = 0.9;
  FIELD(double, beta2, "AdamW second-moment decay.", between(0.0, 0.999999)) = 0.95;
  FIELD(double, grad_clip, "Largest gradient norm; 0: no clipping.",
        zero_or_between(kSmallestFloat, kLargestFloat)) = 1.0;
  FIELD(std::int64_t, max_bad_steps,
        "Steps in a row with a non-finite loss or gradient before giving up.", at_least(1)) = 10;
  END_CONFIG;
};

}  // namespace gpt
