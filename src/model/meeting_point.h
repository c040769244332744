// Where the threads of a crew wait for each other. The waits within a layer are short, so a thread
// looks for a while before it sleeps: waking it costs more than most of them.
#pragma once

#include <atomic>

namespace gpt {

class MeetingPoint {
 public:
  explicit MeetingPoint(int size) : size_(size) {}

  // Returns when `size` threads have called it; what each wrote before is seen by all after.
  void meet() {
    const unsigned round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      round_.notify_all();
      return;
    }
    for (int look = 0; look < kLooks; ++look) {
      if (round_.load(std::memory_order_acquire) != round) return;
      __builtin_ia32_pause();
    }
    round_.wait(round, std::memory_order_acquire);
  }

 private:
  static constexpr int kLooks = 2000;  // 20 to 100 microseconds

  const int size_;
  // On lines of their own: one is written by all, the other read by all.
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> round_{0};
};

}  // namespace gpt
