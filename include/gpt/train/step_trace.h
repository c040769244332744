// profile=True: a few iterations as a Chrome trace, for chrome://tracing and ui.perfetto.dev: spans
// of every thread, LibTorch's operators, and on a GPU its kernels.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <thread>

#include <c10/core/Device.h>

#include "gpt/base/span.h"

namespace at {
class ThreadLocalState;
}

namespace gpt {

class StepTrace : public SpanListener {
 public:
  // The first iterations allocate, choose and warm up; they say little of the rest.
  static constexpr std::int64_t kSkipped = 3, kTraced = 4;

  // Listens while it lives, and counts the spans "iteration" of the thread that made it.
  // `iterations`: how many there will be; of a short run none are skipped. `file` is replaced when
  // the last one to trace is over, or at the end; a failure costs a warning, not the run.
  StepTrace(std::filesystem::path file, const c10::Device& device, std::int64_t iterations);
  ~StepTrace() override;
  StepTrace(const StepTrace&) = delete;
  StepTrace& operator=(const StepTrace&) = delete;

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
  SpanListener* before_;
};

}  // namespace gpt
