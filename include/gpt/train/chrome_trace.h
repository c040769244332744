// profile=True: a few iterations as a Chrome trace, for chrome://tracing and ui.perfetto.dev:
// ranges of every thread, LibTorch's operators, and on a GPU its kernels.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <thread>

#include <c10/core/Device.h>

#include "gpt/base/profile_range.h"

namespace at {
class ThreadLocalState;
}

namespace gpt {

class ChromeTrace : public ProfileListener {
 public:
  // The first iterations allocate, choose and warm up; they say little of the rest.
  static constexpr std::int64_t kSkipped = 3, kTraced = 4;

  // Listens while it lives, and counts the ranges "iteration" of the thread that made it.
  // `iterations`: how many there will be; of a short run none are skipped. `file` is replaced when
  // the last one to trace is over, or at the end; a failure costs a warning, not the run.
  ChromeTrace(std::filesystem::path file, const c10::Device& device, std::int64_t iterations);
  ~ChromeTrace() override;
  ChromeTrace(const ChromeTrace&) = delete;
  ChromeTrace& operator=(const ChromeTrace&) = delete;

  void begins(const char* name) override;
  void ends() noexcept override;

 private:
  bool on_own_thread() const { return std::this_thread::get_id() == thread_; }
  void start();
  void stop() noexcept;
  void save();

  std::filesystem::path file_;
  c10::Device device_;
  std::int64_t first_, seen_ = 0;
  std::thread::id thread_;
  std::unique_ptr<at::ThreadLocalState> state_;  // of the recorded thread
  std::atomic<bool> recording_{false};
  ProfileListener* before_;
};

}  // namespace gpt
