// What `gpttrain plan` takes besides the keys of train.
#pragma once

#include <cstdint>
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
  FIELD(std::int64_t, world_size,
        "Plan for one of so many processes, each with a device of its own.",
        between(std::int64_t{1}, std::int64_t{65536})) = 1;
  FIELD(std::string, link,
        "What connects the processes: pcie3 to pcie5, nvlink, 1gbe, 10gbe, 25gbe, 100gbe, "
        "infiniband, or a rate such as 12.5GB/s.",
        not_empty()) = "pcie4";
  FIELD(std::string, tokens,
        "Say how long so many tokens take, such as 10B or 300M, and how many iterations they are.",
        anything());
  FIELD(bool, json, "Print one JSON object.", anything()) = false;
  END_CONFIG;
};

}  // namespace gpt
