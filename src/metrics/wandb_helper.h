// The package wandb, fed by a process of its own.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>

#include "gpt/metrics/wandb.h"

namespace gpt {

class WandbHelper : public WandbRecorder {
 public:
  // A python3 of PATH that has the package; nothing if there is none.
  static std::optional<std::filesystem::path> find_python();

  // What the package says goes to `log`. IoError.
  WandbHelper(const std::filesystem::path& python, const std::filesystem::path& folder,
              const std::filesystem::path& log, const std::string& id, const WandbRun& run);
  ~WandbHelper() override;

  // Never waits: a helper that falls behind by more than 4 MiB loses steps.
  void log(std::int64_t step, double seconds_since_1970, const Values& values,
           const std::string& samples) override;
  // Waits half a minute at most; what is not uploaded by then continues without us.
  void finish(int exit_code) override;

 private:
  void send(const std::string& line);
  void flush();

  std::filesystem::path log_;
  pid_t process_ = -1;
  int socket_ = -1;
  std::string waiting_;
  std::int64_t lost_ = 0;
};

}  // namespace gpt
