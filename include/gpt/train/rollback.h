// Back to a checkpoint in the middle of a run, and what that shares with the start of one.
#pragma once

#include <optional>

#include "gpt/checkpoint/store.h"
#include "gpt/model/gpt.h"
#include "gpt/optim/grad_scaler.h"
#include "gpt/optim/optimizer.h"
#include "gpt/parallel/process_group.h"

namespace gpt {

// Weights, optimizer and loss scale become those of the checkpoint, in all processes of the group;
// only the first one needs its folder. InputError if they do not fit.
void restore_training(const CheckpointInfo& checkpoint, const Gpt& model, Optimizer& optimizer,
                      GradScaler& scaler, ProcessGroup& group);

// The run's newest good checkpoint, by the first process for all of them; nothing if it has none,
// or those that are there are of the run that it is to replace.
std::optional<CheckpointInfo> last_checkpoint(const CheckpointStore& store, ProcessGroup& group);

// The checkpoint that the first process has found, if it has, for all of them.
std::optional<CheckpointInfo> shared_checkpoint(const std::optional<CheckpointInfo>& found,
                                                ProcessGroup& group);

}  // namespace gpt
