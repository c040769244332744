// What `gpttrain bench` takes besides the keys of train.
#pragma once

#include <cstdint>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct BenchConfig {
  CONFIG(BenchConfig);
  FIELD(AutoInt, timed_iters,
        "Iterations to time, once as they are and once by phase. auto: about five seconds of each, "
        "from 5 to 200.",
        auto_or_between(1, 1000000)) = {};
  FIELD(std::int64_t, untimed_iters, "Iterations before them, after the first.", at_least(0)) = 3;
  FIELD(bool, json, "Print one JSON object, every time in it.", anything()) = false;
  END_CONFIG;
};

}  // namespace gpt
