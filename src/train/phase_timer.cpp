#include "gpt/train/phase_timer.h"

#include <algorithm>

#include "gpt/device/device.h"

namespace gpt {

PhaseTimer::PhaseTimer(const c10::Device& device)
    : device_(device), thread_(std::this_thread::get_id()), before_(set_profile_listener(this)) {}

PhaseTimer::~PhaseTimer() {
  set_profile_listener(before_);
}

// Seconds since the last lap.
double PhaseTimer::lap() {
  try {
    synchronize(device_);
  } catch (const std::exception&) {
    // The device's next call says it again, where it may be thrown.
  }
  const auto now = Clock::now();
  return std::chrono::duration<double>(now - std::exchange(last_, now)).count();
}

void PhaseTimer::add(const char* name, double seconds) {
  auto found = std::find_if(times_.begin(), times_.end(),
                            [&](const auto& time) { return time.first == name; });
  if (found == times_.end()) found = times_.insert(found, {name, 0});
  found->second += seconds;
}

void PhaseTimer::begins(const char* name) {
  if (std::this_thread::get_id() != thread_) return;
  const double seconds = lap();
  if (!open_.empty()) add(open_.back(), seconds);
  add(name, 0);  // its place in the order
  open_.push_back(name);
}

void PhaseTimer::ends() noexcept {
  if (std::this_thread::get_id() != thread_) return;
  add(open_.back(), lap());
  open_.pop_back();
}

}  // namespace gpt
