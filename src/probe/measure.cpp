#include "measure.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "gpt/device/device.h"

namespace gpt {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// By the device's own events, which do not count what the host takes between its calls.
double device_milliseconds(const std::function<void()>& work, int calls, const at::Device& device) {
  if (device.is_cpu()) {
    const auto start = Clock::now();
    for (int call = 0; call < calls; ++call) work();
    return 1e3 * seconds_since(start) / calls;
  }
  c10::Event begun(device.type(), c10::EventFlag::BACKEND_DEFAULT),
      ended(device.type(), c10::EventFlag::BACKEND_DEFAULT);
  const c10::Stream stream = c10::impl::VirtualGuardImpl(device.type()).getStream(device);
  begun.record(stream);
  for (int call = 0; call < calls; ++call) work();
  ended.record(stream);
  ended.synchronize();
  return begun.elapsedTime(ended) / calls;
}

}  // namespace

double relative_error(const std::vector<at::Tensor>& actual,
                      const std::vector<at::Tensor>& expected) {
  std::vector<at::Tensor> errors;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const at::Tensor e = expected[i].detach().to(at::kFloat);
    const at::Tensor a = actual[i].detach().to(at::kFloat);
    const at::Tensor norm = e.square().sum().clamp_min(1e-30);
    errors.push_back((a - e).square().sum().div(norm).sqrt());
  }
  return at::stack(errors).max().item<float>();
}

void warm_clocks(const at::Device& device, double seconds) {
  const at::Tensor a = at::ones({1024, 1024}, device);
  const auto start = Clock::now();
  while (seconds_since(start) < seconds) {
    for (int i = 0; i < 8; ++i) at::mm(a, a);
    synchronize(device);
  }
}

std::vector<double> interleaved_times(const std::vector<std::function<void()>>& works,
                                      const at::Device& device) {
  constexpr int kRounds = 5;
  constexpr double kRoundMs = 2, kMostCalls = 50;
  std::vector<double> times(works.size(), std::numeric_limits<double>::infinity());
  std::vector<int> calls;
  for (const auto& work : works) {  // which also is the call that builds plans
    work();
    synchronize(device);
    const double once = std::max(device_milliseconds(work, 1, device), 1e-3);
    calls.push_back(static_cast<int>(std::clamp(kRoundMs / once, 1.0, kMostCalls)));
  }
  for (int round = 0; round < kRounds; ++round)
    for (std::size_t i = 0; i < works.size(); ++i)
      times[i] = std::min(times[i], device_milliseconds(works[i], calls[i], device));
  return times;
}

}  // namespace gpt
