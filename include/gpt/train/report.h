// What a run says: nanoGPT's lines on stdout, metrics.jsonl, and a progress line on a terminal.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <c10/core/Device.h>

#include "gpt/base/terminal.h"
#include "gpt/config/train_config.h"
#include "gpt/device/watch.h"
#include "gpt/metrics/metrics_sink.h"
#include "gpt/parallel/process_group.h"
#include "gpt/train/evaluator.h"
#include "gpt/train/step_batches.h"
#include "gpt/train/throughput.h"

namespace gpt {

struct Spike;
struct StepDown;
struct StepResult;

class Report {
 public:
  Report(const TrainConfig& config, const c10::Device& device, MetricsSink& metrics,
         Throughput throughput);

  void started(std::int64_t step, bool resumed);
  // What the plan foresees as the peak of tensors, in bytes; the first step and the first
  // evaluation are held against it.
  void expect_peaks(std::int64_t train, std::int64_t eval);
  void start_step();
  void start_evaluation();
  void step(std::int64_t step, const StepResult& result);
  void evaluating(std::int64_t done, std::int64_t total);
  // The evaluation is over, and its peak of memory is known.
  void evaluated(std::int64_t step);
  // Where bytes_per_token is known, with the bits that val loss is of a byte.
  void evaluation(std::int64_t step, const SplitLosses& losses, bool best);
  std::optional<double> bytes_per_token;
  // Tasks and samples are at work on `what`, of which a share is done.
  void looking(const std::string& what, double share);
  // `text`: its result in words; `values`: under names that begin with the task's.
  void task(std::int64_t step, const std::string& text,
            const std::vector<std::pair<std::string, MetricsSink::Value>>& values);
  void sample(std::int64_t step, const std::string& prompt, const std::string& text);
  // Of a step, by names such as update_ratio/h.0.
  void statistics(std::int64_t step, const std::vector<std::pair<std::string, double>>& values);
  // Memory ran out or nearly so; the run continues with a smaller plan.
  void replanned(std::int64_t step, const std::string& what);
  // What the device computes with took a step down a ladder; the run continues.
  void stepped_down(std::int64_t step, const StepDown& what);
  // A step stood out; the text says what became of it. The run may then continue from the
  // checkpoint of another step.
  void spike(const Spike& spike);
  void rolled_back(const Spike& spike, std::int64_t step);
  // After `failures` attempts in a row that failed.
  void saved(std::int64_t step, const std::string& reason, std::int64_t failures = 0);
  // `again`: the run continues and will try once more.
  void save_failed(std::int64_t step, const std::string& why, bool again = false);
  void stopped(std::int64_t next_step, const std::string& cause);
  // With several processes: what they cost since the last call.
  std::function<GroupSeconds()> take_group_seconds;
  void done(std::int64_t next_step, double best_val_loss);

 private:
  const TrainConfig& config_;
  c10::Device device_;
  MetricsSink& metrics_;
  Throughput throughput_;
  // The peak since the last reset against `expected`, which then becomes 0: once is enough.
  void compare_peak(std::int64_t step, const char* what, std::int64_t& expected);

  // What the progress line says besides the share: the losses, the speed, how long to the next
  // evaluation.
  std::string note() const;
  bool tells_epochs() const;

  std::int64_t expected_train_ = 0, expected_eval_ = 0;
  std::int64_t steps_ = 0;  // of this process
  DeviceWatch watch_;
  std::optional<ProgressLine> progress_;
  double done_ = 0;                        // iterations finished
  std::optional<double> loss_, val_loss_;  // the newest
  std::vector<SourceProgress> data_;       // of the newest step
};

}  // namespace gpt
