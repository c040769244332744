// The plan of a config for a device: this machine's, or a card that is not here.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/train_config.h"
#include "gpt/device/compute.h"
#include "gpt/memory/planner.h"
#include "gpt/parallel/process_group.h"

namespace gpt {

struct MachinePlan {
  Planner planner;
  std::string limit_source;  // "memory_limit", "free now", ...
  RankedPlans ranked;
  // What tensors are held to, in bytes: memory_limit, or what the process would be killed for, or
  // what a display needs; 0: nothing.
  std::uint64_t most_tensors = 0;

  std::int64_t limit() const { return planner.constraints().limit; }  // bytes
  // Of tensors, in bytes; there must be a best plan.
  std::int64_t train_peak() const { return ranked.best->train.live.tensors(); }
  std::int64_t eval_peak() const { return ranked.best->eval.live.tensors(); }
};

// For the device of a run; dtype and vocab_size are settled.
MachinePlan plan_for(const TrainConfig& config, const Compute& compute,
                     const ProcessGroup& group = single_process());

// For a card by name, which need not be here; settles dtype and vocab_size as a run on it would.
MachinePlan plan_for_gpu(TrainConfig config, const std::string& gpu, std::int64_t processes = 1);

// vocab_size: auto becomes that of the dataset's meta.json if there is one, else GPT-2's.
void settle_vocabulary(TrainConfig& config);

// The same for a run that may continue from a checkpoint: where `saved` (or null) chose a value and
// the user leaves it to the plan, the saved one stays if it fits, so that the run continues bit for
// bit.
MachinePlan plan_run(const TrainConfig& config, const TrainConfig* saved, const Compute& compute,
                     const ProcessGroup& group = single_process());

// Error if nothing fits, with the shortfall and what would fit; else the auto keys get the plan's
// values.
void adopt_plan(TrainConfig& config, const MachinePlan& planned);

}  // namespace gpt
