// When a checkpoint that could not be written is tried again.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

namespace gpt {

// The first time after one more step, for what passes by itself; then after 1, 2, 4, ... 64
// seconds, and never before twenty times what the attempt took, so that a disk that stays full
// costs a run a twentieth of its time at most. Deciding by the clock changes no number of the run:
// a save reads.
class SaveRetry {
 public:
  SaveRetry();
  // `seconds` is the clock; for tests.
  explicit SaveRetry(std::function<double()> seconds) : seconds_(std::move(seconds)) {}

  void begin() { begun_ = seconds_(); }  // an attempt
  void failed(std::int64_t step);        // it did not succeed
  void succeeded() { failures_ = 0; }    // any save makes up for all that failed
  bool due(std::int64_t step) const;     // of a failed save that nothing has made up for
  std::int64_t failures() const { return failures_; }  // in a row

 private:
  std::function<double()> seconds_;
  std::int64_t failures_ = 0, failed_step_ = 0;
  double begun_ = 0, next_ = 0;
};

}  // namespace gpt
