// Where a run begins: from nothing, or from a checkpoint in its folder.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "gpt/checkpoint/store.h"
#include "gpt/config/settings.h"
#include "gpt/config/train_config.h"
#include "gpt/exchange/model_shape.h"
#include "gpt/train/dataset.h"

namespace gpt {

struct RunStart {
  std::optional<CheckpointInfo> checkpoint;  // to go on from; nothing for a new run
  std::vector<CheckpointInfo> replaced;      // to be moved aside when the new run begins
};

// Besides init_from=resume, a run that was stopped by a signal goes on by itself if it is asked for
// again with the same config, `overwrite` or not. A folder with any other run is an InputError,
// unless `overwrite`.
RunStart choose_start(TrainConfig config, const CheckpointStore& store);

// Moves the checkpoints, metrics and config of an earlier run to out_dir/replaced-DATE/.
void move_aside(const fs::path& out_dir, const std::vector<CheckpointInfo>& checkpoints);

// The windows that the checkpoint had drawn ahead, if they are windows of this dataset; of another
// dataset none, with a warning. InputError if the dataset's vocabulary is another.
std::vector<std::int64_t> usable_offsets(const CheckpointInfo& checkpoint,
                                         const TrainConfig& config, const Dataset& dataset);

// The config that a checkpoint was trained with. `checkpoint` names it in errors.
TrainConfig saved_config(const CheckpointInfo& checkpoint);

// As nanoGPT: what makes the model's shape comes from the checkpoint, with a warning where the
// user asked for something else; a smaller block_size crops, a larger one is an InputError.
void adopt_shape(TrainConfig& config, const TrainConfig& saved, const Settings& asked);

// The same for weights that a new run begins with; `gelu` stays as the user asked.
void adopt_source(TrainConfig& config, const ModelShape& source, const Settings& asked);

}  // namespace gpt
