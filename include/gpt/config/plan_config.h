// What `gpttrain plan` takes besides the keys of train.
#pragma once

#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct PlanConfig {
  CONFIG(PlanConfig);
  FIELD(
      std::string, gpu,
      "Plan for a card of this name, such as rtx3060, 1080ti, \"rtx 3060 8GB\" or tesla p40, or of "
      "this size, such as 4GiB, which need not be here. Empty: for this machine.",
      anything());
  FIELD(bool, json, "Print one JSON object.", anything()) = false;
  END_CONFIG;
};

}  // namespace gpt
