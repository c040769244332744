#include "gpt/train/save_retry.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace gpt {

SaveRetry::SaveRetry()
    : SaveRetry([] {
        const auto now = std::chrono::steady_clock::now().time_since_epoch();
        return std::chrono::duration<double>(now).count();
      }) {}

void SaveRetry::failed(std::int64_t step) {
  constexpr double kLongest = 64, kShare = 20;
  const double now = seconds_();
  const double pause =
      failures_ == 0 ? 0.0 : std::min(kLongest, std::exp2(static_cast<double>(failures_ - 1)));
  next_ = failures_ == 0 ? now : now + std::max(pause, kShare * (now - begun_));
  failed_step_ = step;
  ++failures_;
}

bool SaveRetry::due(std::int64_t step) const {
  return failures_ > 0 && step > failed_step_ && seconds_() >= next_;
}

}  // namespace gpt
