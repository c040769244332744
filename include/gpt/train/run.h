// A run: all its parts, put together in one place. `gpttrain train`, `gpttrain bench` and the tests
// make one of these; an optimizer, a logger or a process group goes in here.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <ATen/core/Generator.h>

#include "gpt/checkpoint/store.h"
#include "gpt/config/train_config.h"
#include "gpt/device/compute.h"
#include "gpt/interop/weight_source.h"
#include "gpt/kernels/gemm/peak_rate.h"
#include "gpt/metrics/metrics_sink.h"
#include "gpt/model/engine.h"
#include "gpt/model/gpt.h"
#include "gpt/optim/grad_scaler.h"
#include "gpt/optim/optimizer.h"
#include "gpt/parallel/process_group.h"
#include "gpt/train/dataset.h"
#include "gpt/train/monitor.h"
#include "gpt/train/report.h"
#include "gpt/train/step_batches.h"
#include "gpt/train/step_statistics.h"
#include "gpt/train/trainer.h"

namespace gpt {

// What a run is made of; all of it is settled (gpt/train/resolve_run.h).
struct RunInputs {
  TrainConfig config;
  Dataset dataset;
  Compute compute;
  PeakRate peak = {};                             // for the mfu of the log lines
  std::optional<CheckpointInfo> checkpoint = {};  // to resume
  std::unique_ptr<WeightSource> source = {};      // the weights of a new run; else they are drawn
  std::int64_t first_step = 0;                    // of a new run
  ProcessGroup& group = single_process();         // of the processes that train the model together
};

class Run {
 public:
  // Makes the weights, as nanoGPT does or restored from the checkpoint with optimizer, generator
  // and data position. `store` and `metrics` must outlive the run; nothing is written to them yet.
  // InputError if the checkpoint or the weights do not fit.
  Run(RunInputs inputs, CheckpointStore& store, MetricsSink& metrics);
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  // nanoGPT's lines about the size of the run, and from where it resumes.
  void print_facts() const;
  // Records the beginning and shows the progress line; once, before the first step.
  void start() { report.started(state_.step, checkpoint.has_value()); }
  std::int64_t first_step() const { return state_.step; }

  const TrainConfig config;
  const std::string config_json;
  const Dataset dataset;
  const Compute compute;
  const PeakRate peak;
  ProcessGroup& group;
  const std::optional<CheckpointInfo> checkpoint;
  at::Generator generator;  // nanoGPT's: weights, then batches
  Gpt model;
  const std::unique_ptr<Optimizer> optimizer;
  GradScaler scaler;

 private:
  const Manifest state_;  // where training begins

 public:
  StepBatches batches;
  Report report;
  Monitor monitor;
  StepStatistics statistics;
  const std::unique_ptr<Engine> engine;
  Trainer trainer;
};

}  // namespace gpt
