// The file of an offline run, as the package wandb writes it (version 0.31; the format is internal
// to it, so a test reads back with the package).
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "gpt/base/files.h"
#include "gpt/metrics/wandb.h"

#include "protobuf.h"

namespace gpt {

class WandbFile : public WandbRecorder {
 public:
  // Makes `folder`/offline-run-DATE_TIME-ID/run-ID.wandb. IoError.
  WandbFile(const fs::path& folder, const std::string& id, const WandbRun& run);

  void log(std::int64_t step, double seconds_since_1970, const Values& values,
           const std::string& samples) override;
  void finish(int exit_code) override;

  const fs::path& path() const { return path_; }

 private:
  void add_samples(std::int64_t step, const std::string& page);
  void write_record(Protobuf record);
  void write_chunks(const std::string& data);

  std::string id_;
  fs::path path_;
  std::optional<OutputFile> file_;
  std::size_t block_at_ = 0;  // within a block of the log
  std::int64_t records_ = 0;
  std::chrono::steady_clock::time_point begun_;
  std::map<std::string, std::string> summary_;  // the newest of each, as JSON
  std::map<std::string, std::string> samples_;  // what is said of the newest page, as JSON
};

}  // namespace gpt
