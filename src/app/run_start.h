// Where a run begins: from nothing, or from a checkpoint in its folder.
#pragma once

#include <optional>

#include "gpt/checkpoint/store.h"
#include "gpt/config/settings.h"
#include "gpt/config/train_config.h"

namespace gpt {

// The checkpoint to go on from; nothing for a new run. Besides init_from=resume, a run that was
// stopped by a signal goes on by itself. A folder with any other run is an InputError, unless
// `overwrite`, which moves its checkpoints to replaced-DATE/.
std::optional<CheckpointInfo> choose_start(const TrainConfig& config, CheckpointStore& store);

// The config that a checkpoint was trained with. `checkpoint` names it in errors.
TrainConfig saved_config(const CheckpointInfo& checkpoint);

// As nanoGPT: what makes the model's shape comes from the checkpoint, with a warning where the
// user asked for something else; another block_size is an InputError.
void adopt_shape(TrainConfig& config, const TrainConfig& saved, const Settings& asked);

}  // namespace gpt
