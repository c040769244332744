// Plans as JSON, for programs.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "gpt/train/machine_plan.h"

namespace gpt {

// {"device", "limit_bytes", "fits", "plan": {...}, "runner_up", "with_more", "with_less",
// "smallest", "fastest", "shortfall_bytes", "nearest"}; bytes by use for train and eval in each
// plan.
nlohmann::ordered_json to_json(const MachinePlan& planned);

}  // namespace gpt
