#include "gpt/train/chrome_trace.h"

#include <memory>
#include <optional>
#include <set>
#include <stdlib.h>
#include <string_view>
#include <utility>
#include <vector>

#include <ATen/ThreadLocalState.h>
#include <ATen/record_function.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/base/temporary_name.h"
#include "gpt/device/device.h"

namespace gpt {

namespace {

namespace profiler = torch::autograd::profiler;
using torch::profiler::impl::ActivityType;

// The ranges that are open on one thread, as LibTorch's profiler sees them.
struct Open {
  // LibTorch records the thread that asked for it, and those that take over its state.
  std::optional<at::ThreadLocalStateGuard> joined;
  std::vector<std::unique_ptr<at::RecordFunction>> records;  // null: began outside of the trace
};

Open& open_here() {
  thread_local Open open;
  return open;
}

}  // namespace

ChromeTrace::ChromeTrace(fs::path file, const c10::Device& device, std::int64_t iterations)
    : file_(std::move(file)),
      device_(device),
      first_(iterations < kSkipped + kTraced ? 0 : kSkipped),
      thread_(std::this_thread::get_id()),
      before_(set_profile_listener(this)) {
  // Else Kineto, LibTorch's recorder, reports its own progress on stderr.
  setenv("KINETO_LOG_LEVEL", "5", /*overwrite=*/0);
}

ChromeTrace::~ChromeTrace() {
  set_profile_listener(before_);
  stop();
}

void ChromeTrace::start() {
  const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO,
                                                     /*report_input_shapes=*/true);
  std::set<ActivityType> activities{ActivityType::CPU};
  if (device_.is_cuda()) activities.insert(ActivityType::CUDA);
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
  state_ = std::make_unique<at::ThreadLocalState>();
  recording_ = true;
}

void ChromeTrace::stop() noexcept {
  if (!recording_.exchange(false)) return;
  try {
    save();
  } catch (const std::exception& error) {
    log_warning(
        concat("profile=True: no trace was written to ", file_.string(), ": ", error.what()));
  }
}

void ChromeTrace::save() {
  synchronize(device_);  // a GPU is behind; what it has not done yet would be missing
  const auto result = profiler::disableProfiler();
  const fs::path fresh = temporary_beside(file_);
  OutputFile(fresh).close();     // Kineto would write through a link of this name
  result->save(fresh.string());  // says nothing if it fails
  rename_path(fresh, file_);
  print_line(concat("profile=True: ", seen_ - first_, " iterations are in ", file_.string(),
                    "; chrome://tracing and ui.perfetto.dev show it"));
}

void ChromeTrace::begins(const char* name) {
  Open& open = open_here();
  const bool outermost = open.records.empty();
  if (outermost && on_own_thread() && name == std::string_view("iteration") && seen_++ == first_)
    start();
  std::unique_ptr<at::RecordFunction> record;
  if (recording_) {
    if (outermost && !on_own_thread()) open.joined.emplace(*state_);
    record = std::make_unique<at::RecordFunction>(at::RecordScope::USER_SCOPE);
    if (record->isActive()) record->before(name);
  }
  open.records.push_back(std::move(record));
}

void ChromeTrace::ends() noexcept {
  Open& open = open_here();
  open.records.pop_back();
  if (!open.records.empty()) return;
  if (!on_own_thread())
    open.joined.reset();
  else if (seen_ == first_ + kTraced)
    stop();
}

}  // namespace gpt
