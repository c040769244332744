// How long each phase of a step takes: the time in profile ranges of one name, less that in ranges
// inside of them.
#pragma once

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <c10/core/Device.h>

#include "gpt/base/profile_range.h"

namespace gpt {

class PhaseTimer : public ProfileListener {
 public:
  // Times the ranges of the thread that made it while it lives. Where `device` works on its own,
  // each end of a range waits for it: the phases are then true, and their sum is more than a step
  // takes.
  explicit PhaseTimer(const c10::Device& device);
  ~PhaseTimer() override;
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;

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
  ProfileListener* before_;
  Clock::time_point last_;
  std::vector<const char*> open_;
  Times times_;
};

}  // namespace gpt
