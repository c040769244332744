// The folder of a run under way: its lock, its config and its metrics.
#pragma once

#include <optional>
#include <string>

#include "gpt/base/files.h"
#include "gpt/metrics/jsonl.h"
#include "gpt/train/run_start.h"

namespace gpt {

class RunFolder {
 public:
  // Makes it where it is missing. InputError if another process is at work in it.
  explicit RunFolder(const std::string& out_dir);

  // Writes config.json and opens metrics.jsonl, where `files`, which must outlive this, has them.
  void begin(const RunFiles& files, const std::string& config_json);
  // What is written before begin() waits for it.
  MetricsSink& metrics() { return metrics_; }

  // To be called before anything is saved. A folder that was removed or renamed meanwhile is made
  // again with all three: what is in memory may be the only copy of the run. Where another run has
  // begun there since, an Error: nothing of ours goes into it. IoError if making it fails; the next
  // call continues with it.
  void claim();

 private:
  void open_metrics();
  [[noreturn]] void refuse(const std::string& owner) const;

  const fs::path path_, lock_path_;
  std::optional<FileLock> lock_;
  const RunFiles* files_ = nullptr;
  std::string config_json_;
  JsonlMetrics metrics_;
  bool whole_ = false;  // config and metrics are there
};

}  // namespace gpt
