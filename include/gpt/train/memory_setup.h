// The memory keys on their way into the process: allocator, limit, plan, evaluation's device.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "gpt/base/system_root.h"
#include "gpt/checkpoint/store.h"
#include "gpt/config/settings.h"
#include "gpt/config/train_config.h"
#include "gpt/device/compute.h"
#include "gpt/model/engine.h"
#include "gpt/parallel/process_group.h"
#include "gpt/train/machine_plan.h"

namespace gpt {

// allocator=... in LibTorch's words; "" where PYTORCH_ALLOC_CONF says it.
std::string allocator_words(const std::string& asked, const SystemRoot& root = {});

// allocator=...; before anything touches a GPU. InputError if LibTorch does not know the words.
void set_up_allocator(const MemoryConfig& memory, const Settings& asked);

// Chooses the plan, writes it into `config`, and sets memory_limit. `checkpoint`: what
// the run continues from, if anything. Error if nothing fits.
MachinePlan set_up_memory(TrainConfig& config, const std::optional<CheckpointInfo>& checkpoint,
                          const Compute& compute, const ProcessGroup& group = single_process());

// InputError if there is no such device here.
void check_evaluation_device(const MemoryConfig& memory, const Settings& asked);

// The engine of the config, with evaluations on eval_device. Its attention does not cross the token
// `document_end`, if there is one.
std::unique_ptr<Engine> set_up_engine(const TrainConfig& config, const Gpt& model,
                                      const Compute& compute,
                                      std::optional<std::int64_t> document_end = {});

}  // namespace gpt
