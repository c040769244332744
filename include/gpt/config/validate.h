// Rules between keys; each alone has passed its own check.
#pragma once

#include "gpt/config/settings.h"
#include "gpt/config/train_config.h"

namespace gpt {

// InputError naming the keys, their values and where they were given.
void validate(const TrainConfig& config, const Settings& settings);

}  // namespace gpt
