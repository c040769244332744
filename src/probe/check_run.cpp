#include "check_run.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "gpt/device/device.h"
#include "gpt/device/graph.h"
#include "gpt/device/memory.h"

#include "measure.h"

namespace gpt {

namespace {

constexpr double kTimingSeconds = 18;  // of the 30 that a probe may take; the rest is for checks

std::string said_by(const std::exception& error) {
  const auto* torch = dynamic_cast<const c10::Error*>(&error);
  const std::string text = torch ? torch->what_without_backtrace() : error.what();
  return text.substr(0, text.find('\n'));
}

// After an error that a device cannot be rid of, every call repeats it. Without memory it answers,
// too.
bool answers(const c10::Device& device) {
  try {
    synchronize(device);
    return at::ones({8}, device).sum().item<float>() >= 0;
  } catch (const std::exception& error) {
    return is_out_of_memory(error);
  }
}

// Was it for want of memory? Not if segments are refused although there is enough.
bool lacks_memory(const CheckResult& result, const std::exception& error,
                  const c10::Device& device) {
  constexpr std::uint64_t kEnough = std::uint64_t{256} << 20;
  if (!is_out_of_memory(error)) return false;
  return result.item != kItemExpandable || free_memory(device) < kEnough;
}

}  // namespace

void CheckRun::check(CheckResult result, double limit,
                     const std::function<double(CheckResult&)>& work) {
  if (!device_answers_ || bad(result.check, result.item)) return;
  listener_.begins(result);
  const auto start = std::chrono::steady_clock::now();
  result.limit = limit;
  try {
    result.error = work(result);
    synchronize(device());
    result.verdict = result.error <= limit ? Verdict::kRight : Verdict::kWrong;  // NaN is wrong
  } catch (const std::exception& error) {
    result.what = said_by(error);
    const bool memory = lacks_memory(result, error, device());
    result.verdict = memory ? Verdict::kSkipped : Verdict::kRefused;
    if (memory) release_cached_memory(device());
    // A recording that failed leaves LibTorch's generator in it.
    if (result.check == kCheckGraphs || !answers(device())) {
      result.verdict = Verdict::kFailed;
      result.algorithm.reset();  // no other of its kind is tried after it
      device_answers_ = false;
    }
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  note(std::move(result));
}

void CheckRun::time_right(CheckResult timing, double warm_seconds, std::vector<CheckResult> right,
                          const std::vector<std::function<void()>>& works) {
  if (works.size() < 2 || !timed()) return;
  check(std::move(timing), 0, [&](CheckResult&) {
    if (warm_seconds > 0) warm_clocks(device(), warm_seconds);
    const std::vector<double> times = interleaved_times(works, device());
    for (std::size_t i = 0; i < right.size(); ++i) {
      right[i].milliseconds = times[i];
      note(right[i]);
    }
    return 0;
  });
}

void CheckRun::note(CheckResult result) {
  listener_.result(result);
  record(results_, std::move(result));
}

bool CheckRun::bad(const std::string& check, const std::string& item) const {
  return std::any_of(results_.begin(), results_.end(), [&](const CheckResult& result) {
    return result.check == check && result.item == item && result.bad() && !result.algorithm;
  });
}

bool CheckRun::skipped(const std::string& check, const std::string& item) const {
  return std::any_of(results_.begin(), results_.end(), [&](const CheckResult& result) {
    return result.check == check && result.item == item && result.verdict == Verdict::kSkipped;
  });
}

// With deterministic=True no time decides: the same bits in every run.
bool CheckRun::timed() const {
  if (job_.config.system.deterministic) return false;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_).count() <
         kTimingSeconds;
}

void CheckRun::apply() {
  set_device_choices(settle(results_, job_.wants).choices);
}

// A fresh process opens a context here, and this is where it fails if it cannot.
void CheckRun::check_memory() {
  check({.check = kCheckDevice, .item = "start"}, 0, [&](CheckResult&) {
    use_device(device());
    synchronize(device());
    return 0;
  });
  const std::string item = job_.wants.expandable_segments ? kItemExpandable : kItemNative;
  check({.check = kCheckAllocator, .item = item}, 0, [&](CheckResult&) {
    constexpr std::int64_t kElements = std::int64_t{4} << 20;
    const at::Tensor block = at::full({kElements}, 3.0, device());
    return (block - 3.0).abs().max().item<float>();
  });
  if (device().is_cpu()) return;
  check({.check = kCheckAllocator, .item = "pinned memory"}, 0, [&](CheckResult&) {
    const at::Tensor host = at::full({1 << 20}, 5.0).pin_memory();
    const at::Tensor there = host.to(device(), /*non_blocking=*/true);
    return (there - 5.0).abs().max().item<float>();
  });
  check({.check = kCheckAllocator, .item = "stream and event"}, 0, [&](CheckResult&) {
    const c10::impl::VirtualGuardImpl guard(device().type());  // of streams of any device
    const c10::Stream own = guard.getStream(device());
    const c10::Stream other = guard.getStreamFromGlobalPool(device(), /*isHighPriority=*/false);
    const at::Tensor x = at::full({1 << 20}, 7.0, device());
    c10::Event event(device().type());
    event.record(own);
    event.block(other);
    event.synchronize();
    return (x - 7.0).abs().max().item<float>();
  });
}

void CheckRun::check_graphs() {
  if (!DeviceGraphs::supported(device())) return;
  check({.check = kCheckGraphs, .item = "graph"}, 0, [&](CheckResult&) {
    const at::Tensor x = at::ones({1 << 16}, device());
    at::Tensor y;
    double error = 0;
    const auto graphs = DeviceGraphs::make(device());
    {
      const auto graph = graphs->capture([&] { y = x * 2; });
      for (const double value : {3.0, 5.0}) {
        x.fill_(value);
        graph->replay();
        error = std::max<double>(error, (y - 2 * value).abs().max().item<float>());
      }
      y.reset();
    }
    return error;
  });
}

void CheckRun::check_kernels() {
  const at::NoGradGuard no_grad;
  for (const KernelCheck& kernel : subjects_.kernels)
    check({.check = kCheckKernel, .item = kernel.name}, kernel.limit, [&](CheckResult&) {
      const KernelTwins twins = kernel.make();
      return relative_error(twins.ours(), twins.plain());
    });
}

bool CheckRun::run() {
  check_memory();
  check_graphs();
  check_kernels();
  apply();
  check_attention();
  check_masked_attention();
  apply();
  find_products();
  check_products();
  apply();
  check_engines();
  check_updates();
  apply();
  check_replay();
  apply();
  return device_answers_;
}

bool run_probe(const ProbeJob& job, const ProbeSubjects& subjects,
               const std::vector<CheckResult>& earlier, const ProbeListener& listener) {
  return CheckRun(job, subjects, earlier, listener).run();
}

}  // namespace gpt
