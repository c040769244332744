// The one place where a run's config is settled: what was asked for, and what the files, the
// machine and the memory plan say. After resolve_run() nothing changes it any more.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "gpt/checkpoint/store.h"
#include "gpt/config/settings.h"
#include "gpt/config/train_config.h"
#include "gpt/device/compute.h"
#include "gpt/interop/weight_source.h"
#include "gpt/kernels/gemm/peak_rate.h"
#include "gpt/parallel/process_group.h"
#include "gpt/probe/report.h"
#include "gpt/train/dataset.h"
#include "gpt/train/machine_plan.h"
#include "gpt/train/run_start.h"

namespace gpt {

// An option that the run has with another value than the one that was asked for.
struct ConfigChange {
  std::string key, from, to;
  std::string reason;  // "the checkpoint", "the dataset", "this machine", "the memory plan", ...
};

struct ResolvedRun {
  TrainConfig config;
  std::vector<ConfigChange> changes;
  RunStart start;                        // the checkpoint to resume, or the run to replace
  std::unique_ptr<WeightSource> source;  // of the weights of a new run that has them from elsewhere
  Dataset dataset;
  Compute compute;
  PeakRate peak;
  MachinePlan planned;          // with a best plan
  std::vector<StepDown> steps;  // that the probe of the device led to
};

// `asked` and `settings`: the config as the command line and the config files gave it, checked by
// validate(). Opens the files, sets up the device and the allocator of this process, and chooses
// the memory plan. InputError or Error, with what to do, where one of them cannot be had.
// The processes of a group settle it together, and begin where the first one's `store` says.
ResolvedRun resolve_run(const TrainConfig& asked, const Settings& settings,
                        const CheckpointStore& store, ProcessGroup& group = single_process());

// "device cuda -> cpu (this machine), vocab_size auto -> 65 (the dataset)"; "" for no changes.
std::string changes_text(const std::vector<ConfigChange>& changes);

}  // namespace gpt
