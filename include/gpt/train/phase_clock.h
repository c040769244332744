// How long each phase of a step takes: the time in spans of one name, less that in spans inside.
#pragma once

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <c10/core/Device.h>

#include "gpt/base/span.h"

namespace gpt {

class PhaseClock : public SpanListener {
 public:
  // Listens while it lives, to the thread that made it. Where `device` works on its own, each end
  // of a span waits for it: the phases are then true, and their sum is more than a step takes.
  explicit PhaseClock(const c10::Device& device);
  ~PhaseClock() override;
  PhaseClock(const PhaseClock&) = delete;
  PhaseClock& operator=(const PhaseClock&) = delete;

  // Seconds by name since the last call, in the order in which the names came up.
  using Times = std::vector<std::pair<std::string, double>>;
  Times take() { return std::exchange(times_, {}); }

  void begins(const char* name) override;
  void ends() noexcept override;

 private:
  using Clock = std::chrono::steady_clock;
  double lap();
  void add(const char* name, double seconds);

  c10::Device device_;
  std::thread::id thread_;
  SpanListener* before_;
  Clock::time_point last_;
  std::vector<const char*> open_;
  Times times_;
};

}  // namespace gpt
