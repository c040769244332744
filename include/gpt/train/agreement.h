// What the processes of a run must have in common, and where it begins, which the first one
// decides.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gpt/checkpoint/store.h"
#include "gpt/config/train_config.h"
#include "gpt/parallel/process_group.h"
#include "gpt/train/dataset.h"
#include "gpt/train/run_start.h"

namespace gpt {

using Facts = std::vector<std::pair<std::string, std::string>>;  // name and value

// InputError, in every process, that says which process differs from the first one in what.
void require_same(ProcessGroup& group, const std::string& of_what, const Facts& facts);

// Program and options, but for those that may differ between machines: folders, devices, threads,
// and what only the memory plan takes.
void require_same_config(ProcessGroup& group, const TrainConfig& config);
// Sizes and contents of the splits, by samples.
void require_same_data(ProcessGroup& group, const Dataset& dataset);
// Kind of device, type and engine, which each process has resolved for its machine.
void require_same_precision(ProcessGroup& group, const SystemConfig& system);

// choose_start() of the first process, for all of them.
RunStart common_start(const TrainConfig& config, const CheckpointStore& store, ProcessGroup& group);

}  // namespace gpt
