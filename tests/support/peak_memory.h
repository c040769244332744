// The most bytes that CPU tensors held at once while this object lived, beyond those at its start,
// as c10's allocator reports them to the profiler of this thread.
#pragma once

#include <algorithm>
#include <memory>

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

namespace gpt::testing {

class PeakMemory {
 public:
  PeakMemory()
      : meter_(std::make_shared<Meter>()), guard_(c10::DebugInfoKind::PROFILER_STATE, meter_) {}
  std::int64_t peak() const { return meter_->peak; }
  std::int64_t largest() const { return meter_->largest; }

 private:
  struct Meter : c10::MemoryReportingInfoBase {
    void reportMemoryUsage(void*, std::int64_t size, std::size_t, std::size_t,
                           c10::Device) override {
      now += size;
      peak = std::max(peak, now);
      largest = std::max(largest, size);
    }
    bool memoryProfilingEnabled() const override { return true; }
    std::int64_t now = 0, peak = 0, largest = 0;
  };
  std::shared_ptr<Meter> meter_;
  c10::DebugInfoGuard guard_;
};

}  // namespace gpt::testing
