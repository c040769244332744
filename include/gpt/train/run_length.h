// How long a run is, where other keys than max_iters say so.
#pragma once

#include <cstdint>

#include "gpt/config/settings.h"
#include "gpt/config/train_config.h"

namespace gpt {

// cooldown_from: the schedule becomes wsd with its decay from that checkpoint's step on, over
// cooldown_iters (auto: a quarter of the steps before it, so that it is a fifth of the whole), and
// the run ends with it. step_N without a folder is of out_dir, which becomes out_dir-cooldown-N.
// max_tokens: max_iters becomes so small that no more are trained on.
// What changes is said. Reads no file. InputError: no name of a checkpoint, one of the run's own
// folder, less than one step of tokens.
void settle_run_length(TrainConfig& config, const Settings& settings);

// Tokens that a step trains on.
std::int64_t tokens_per_step(const DataConfig& data);

}  // namespace gpt
