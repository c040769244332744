// Where a run begins: from nothing, or from a checkpoint in its folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gpt/checkpoint/store.h"
#include "gpt/config/settings.h"
#include "gpt/config/train_config.h"
#include "gpt/model/parameter_table.h"
#include "gpt/train/dataset.h"
#include "gpt/train/step_batches.h"

namespace gpt {

struct RunStart {
  std::optional<CheckpointInfo> checkpoint;  // to resume from; nothing for a new run
  std::vector<CheckpointInfo> replaced;      // of the run that the new one replaces
};

// Besides init_from=resume, a run that was stopped by a signal continues by itself if it is asked
// for again with the same config, `overwrite` or not. A folder with any other run is an InputError,
// unless `overwrite`.
RunStart choose_start(TrainConfig config, const CheckpointStore& store);

// The files of a run next to its checkpoints. While an earlier run holds their names they have
// temporary ones, and go with the object if the run comes to no checkpoint.
class RunFiles {
 public:
  // The first checkpoint that `store` saves replaces the run of these checkpoints, if any.
  RunFiles(CheckpointStore& store, const fs::path& out_dir,
           const std::vector<CheckpointInfo>& replaced);
  ~RunFiles();
  RunFiles(const RunFiles&) = delete;
  RunFiles& operator=(const RunFiles&) = delete;
  // IoError.
  void write_config(const std::string& json) const;
  // Where metrics.jsonl, the folder of TensorBoard's files and train.log are now.
  fs::path metrics() const;
  fs::path tensorboard() const;
  fs::path log() const;

 private:
  bool staged() const;

  const CheckpointStore& store_;
  // The staged ones: "" if nothing is replaced.
  fs::path out_dir_, staged_config_, staged_metrics_, staged_tensorboard_, staged_log_;
};

// Where the run that the checkpoint is of was in its data, with the windows that were drawn ahead,
// if they are windows of this dataset; of another dataset its beginning, with a warning. Another
// data_order begins at its beginning, too; with another block_size it continues where as many
// tokens lie behind. InputError if the dataset's vocabulary is another.
DataPosition usable_position(const CheckpointInfo& checkpoint, const TrainConfig& config,
                             const Dataset& dataset);

// The config that a checkpoint was trained with. `checkpoint` names it in errors.
TrainConfig saved_config(const CheckpointInfo& checkpoint);

// As nanoGPT: what makes the model's shape comes from the checkpoint, with a warning where the
// user asked for something else; a smaller block_size crops, a larger one is an InputError.
void adopt_shape(TrainConfig& config, const TrainConfig& saved, const Settings& asked);

// The same for weights that a new run begins with; `gelu` stays as the user asked.
void adopt_source(TrainConfig& config, const ModelShape& source, const Settings& asked);

}  // namespace gpt
