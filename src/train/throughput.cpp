#include "gpt/train/throughput.h"

#include <algorithm>

namespace gpt {

void Throughput::end_step() {
  const auto now = std::chrono::steady_clock::now();
  last_ = std::chrono::duration<double>(now - started_).count();
  started_ = now;
  recent_ = recent_ == 0 ? last_ : 0.9 * recent_ + 0.1 * last_;
  since_reading_ += last_;
  ++steps_;
  ++steps_since_reading_;
}

Throughput::Reading Throughput::read() {
  constexpr std::int64_t kSettling = 5;  // nanoGPT: let the loop settle a bit
  if (steps_ > kSettling && last_ > 0) {
    const double reached = flops_per_token_ * tokens_ / last_;
    peak_ = std::max(peak_, reached);
    const double mfu = reached / peak_;
    mfu_ = mfu_ == 0 ? mfu : 0.9 * mfu_ + 0.1 * mfu;
  }
  const double tokens = tokens_ * static_cast<double>(steps_since_reading_);
  const Reading reading{.milliseconds = last_ * 1e3,
                        .tokens_per_second = since_reading_ > 0 ? tokens / since_reading_ : 0,
                        .mfu = mfu_};
  since_reading_ = 0;
  steps_since_reading_ = 0;
  return reading;
}

}  // namespace gpt
