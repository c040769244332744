// The loop: draw, forward, backward, clip, step; evaluate, save and report at their intervals.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/signal.h"
#include "gpt/checkpoint/manifest.h"
#include "gpt/checkpoint/store.h"
#include "gpt/config/train_config.h"
#include "gpt/model/engine.h"
#include "gpt/optim/grad_scaler.h"
#include "gpt/optim/optimizer.h"
#include "gpt/train/checkpoint_writer.h"
#include "gpt/train/evaluator.h"
#include "gpt/train/monitor.h"
#include "gpt/train/oom_retry.h"
#include "gpt/train/report.h"
#include "gpt/train/save_retry.h"
#include "gpt/train/spike_guard.h"
#include "gpt/train/step_batches.h"
#include "gpt/train/time_limit.h"
#include "gpt/train/train_step.h"

namespace gpt {

class Trainer {
 public:
  struct Parts {
    const TrainConfig& config;
    Compute compute;
    Gpt& model;
    Engine& engine;
    Optimizer& optimizer;
    GradScaler& scaler;
    const Dataset& dataset;
    StepBatches& batches;
    at::Generator generator;
    CheckpointStore& store;
    Report& report;
    ProcessGroup& group;
    Monitor& monitor;
    StepStatistics& statistics;
    std::string config_json;  // resolved, saved with every checkpoint
  };

  // `start` is a fresh Manifest, or that of the checkpoint whose tensors have been loaded.
  Trainer(Parts parts, const Manifest& start);

  // Until max_iters, eval_only's evaluation, or a stop signal. kExitDone or kExitStopped; Error if
  // the last checkpoint of either could not be written, or after saving what was in memory if data
  // or memory fail.
  ExitCode run(const StopSignals& signals);

  // One optimizer step from the next batch; public so that tests can look at each. If memory runs
  // out, the whole batch is done again in smaller pieces; Error if even the smallest do not fit.
  StepResult step() { return take_step().wait(); }

  // One step as run() takes it: with reads_late, what it did is reported after the next one.
  void iterate();

  // Called before each save. An IoError is a failed save, any other Error ends the run.
  std::function<void()> before_save;
  // Called before the run continues from a checkpoint that it has gone back to (spike=rollback).
  std::function<void()> before_restart;

  // Called after each evaluation with the engine in use: what is wrong with its losses, if
  // anything; then what it computes with steps down until nothing is (probe/ladder.h). By default a
  // Canary on CUDA.
  std::function<std::optional<std::string>(Engine& engine)> canary;

  // run() reads what a step did only when the next one is queued, so that the device never waits
  // for the host; a step's line and a stop for divergence come one step later, the numbers are the
  // same. By default on CUDA, but not with a loss scale, which the next step needs.
  bool reads_late = false;

  TrainStep& train_step() { return train_step_; }
  OomRetry& oom_retry() { return oom_retry_; }
  const Plan& plan() const { return plan_; }
  void set_plan(const Plan& plan);

 private:
  // Tasks and samples, where they are due. False if a signal cut them short; then it is as if they
  // had not begun.
  bool look(const StopSignals& signals, bool at_end);
  // False if a signal cut it short; then it is as if it had not begun.
  bool evaluate(const StopSignals& signals);
  bool evaluation_due() const;
  void judge(const SplitLosses& losses);
  // False if it failed, which is said and tried again later.
  bool save(const std::string& reason);
  void save_between_evaluations();
  // Saves what is in memory where that is worth it, then throws what was caught.
  [[noreturn]] void give_up(const Error& error);
  // A stop signal has come to any of the processes, or the time of one is over.
  bool stop_requested(const StopSignals& signals);
  int stop_cause_here(const StopSignals& signals) const;  // in this process; 0: none
  // The processes agree on stop_cause_, and on whether one of them has cut the step short: true.
  bool step_cut_short();
  ExitCode stop();
  // Of all processes.
  Saved worst_of(Saved here);
  void saved(const Manifest& manifest);
  void save_failed(std::int64_t step, const std::string& why, bool again);
  // Learns what became of a checkpoint that is written in the background, if that is known or
  // `wait`.
  void settle_save(bool wait);
  // The others of the run, until this process gives up on its own.
  ProcessGroup& group();
  // The step of state_, with whatever plan the memory suffices for. Nothing is left of it where
  // cut_short_ says so.
  QueuedStep take_step();
  // Waits for the queued step, if there is one, and reports it; until then its losses are not in
  // state_.
  void report_step();
  void guard_against_divergence(std::int64_t step, const StepResult& result);
  void count_bad_step(std::int64_t step, const char* what, const char* remedy);
  void meet_spike(const QueuedStep& queued, const StepResult& result);
  bool rollback_due();
  void roll_back();
  // Whether what is computed with has stepped down.
  bool ask_canary();
  // cuDNN's attention is in use and may be why a step was not finite.
  bool excused(std::int64_t step, const StepResult& result);

  Parts parts_;
  // Step, losses and counters as they will be saved. best_val_loss is that of weights that were
  // saved (or of step 0); one that could not be is not held against the evaluations after it.
  Manifest state_;
  double lowest_val_loss_;  // of all evaluations: what is reported, as nanoGPT does
  SaveRetry retry_;
  SpikeGuard spike_guard_;
  std::optional<Spike> spike_;  // to roll back for
  CheckpointWriter writer_;
  std::optional<Manifest> under_way_;  // of the checkpoint that writer_ is writing
  TrainStep train_step_;
  OomRetry oom_retry_;
  Plan plan_, eval_plan_;
  std::optional<QueuedStep> queued_;
  TimeLimit time_limit_;
  const StopSignals* signals_ = nullptr;  // while run() runs
  int stop_cause_ = 0;      // a signal that came to some process, or a TimeLimit's number
  bool cut_short_ = false;  // the last step, in some process: it is as if it had not begun
  bool alone_ = false;      // the others are gone, or do not know that this process gives up
  std::int64_t newest_queued_ = -1, excused_to_ = -1;  // steps
};

}  // namespace gpt
