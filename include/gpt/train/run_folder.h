// The folder of a run under way: its lock, its config, its metrics and its log.
#pragma once

#include <optional>
#include <string>

#include "gpt/base/files.h"
#include "gpt/config/io_config.h"
#include "gpt/metrics/jsonl.h"
#include "gpt/metrics/metrics_sinks.h"
#include "gpt/metrics/tensorboard.h"
#include "gpt/metrics/wandb.h"
#include "gpt/train/run_start.h"

namespace gpt {

class RunFolder {
 public:
  // Makes it where it is missing. InputError if another process is at work in it.
  explicit RunFolder(const std::string& out_dir);

  // Writes config.json and opens metrics.jsonl and train.log, where `files`, which must outlive
  // this, has them; and what else shows the metrics, as `io` says. The log stays open after this
  // object: the error that ends the run goes there.
  void begin(const RunFiles& files, const std::string& config_json, const IoConfig& io);
  // What is written to metrics.jsonl before begin() waits for it.
  MetricsSink& metrics() { return metrics_; }

  // To be called before anything is saved. A folder that was removed or renamed meanwhile is made
  // again with all four: what is in memory may be the only copy of the run. Where another run has
  // begun there since, an Error: nothing of ours goes into it. IoError if making it fails; the next
  // call continues with it.
  void claim();

  // The run continues from an earlier step: what shows each step once begins anew.
  void restarts();

 private:
  void open_files();
  [[noreturn]] void refuse(const std::string& owner) const;

  const fs::path path_, lock_path_;
  std::optional<FileLock> lock_;
  const RunFiles* files_ = nullptr;
  std::string config_json_;
  JsonlMetrics jsonl_;
  TensorboardMetrics tensorboard_;
  WandbMetrics wandb_;
  MetricsSinks metrics_;  // all that the run wants
  bool wants_tensorboard_ = false;
  bool whole_ = false;  // config and metrics are there
};

}  // namespace gpt
