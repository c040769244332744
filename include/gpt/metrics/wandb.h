// Weights & Biases, as nanoGPT's users expect it of wandb_log.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/metrics/metrics_sink.h"

namespace gpt {

struct WandbRun {
  std::string project, name;
  std::string config;  // JSON
};

// Where a run is recorded: by the package, or in a file that it uploads later.
class WandbRecorder {
 public:
  using Values = std::map<std::string, double>;

  virtual ~WandbRecorder() = default;
  // The values of one step, and its samples as an HTML page ("": none); steps ascend. IoError:
  // nothing more is recorded.
  virtual void log(std::int64_t step, double seconds_since_1970, const Values& values,
                   const std::string& samples) = 0;
  virtual void finish(int exit_code) = 0;
};

class WandbMetrics : public MetricsSink {
 public:
  // Nothing is recorded before open().
  WandbMetrics() = default;
  ~WandbMetrics() override;  // a run that did not end by itself counts as failed there

  // With a python3 that has the package, a process of its own feeds it. Without one, or with
  // WANDB_MODE=offline, a folder wandb/offline-run-* is written, which `wandb sync` uploads; it
  // lies where the package would put it: in WANDB_DIR, by default the current folder.
  // WANDB_MODE=disabled records nothing. Whatever fails here costs a warning, not the run.
  void open(const WandbRun& run);

  // nanoGPT's keys and further ones (metric_names.h), all of an iteration in one step; the samples
  // of one step are a page, `samples`.
  void write(std::string_view event, const std::vector<Entry>& entries) override;

 private:
  void send_step();
  void attempt(const std::function<void()>& work);

  std::unique_ptr<WandbRecorder> recorder_;
  std::int64_t step_ = -1;
  double time_ = 0;
  WandbRecorder::Values values_;  // of step_, not sent yet
  std::string samples_;           // the same, as HTML
  int exit_code_ = 1;
};

}  // namespace gpt
