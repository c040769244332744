// Threads that work on one thing together: how they wait for each other and divide the work.
#pragma once

#include <atomic>
#include <cstdint>

namespace gpt {

// Lets threads wait until all of them have arrived. The waits within a layer are short, so a thread
// spins for a while before it sleeps: waking it costs more than most of them.
class Barrier {
 public:
  explicit Barrier(int size) : size_(size) {}

  // Returns when `size` threads have called it; what each wrote before is seen by all after.
  void wait() {
    const unsigned round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      round_.notify_all();
      return;
    }
    for (int spin = 0; spin < kSpins; ++spin) {
      if (round_.load(std::memory_order_acquire) != round) return;
      __builtin_ia32_pause();
    }
    round_.wait(round, std::memory_order_acquire);
  }

 private:
  static constexpr int kSpins = 2000;  // 20 to 100 microseconds

  const int size_;
  // On cache lines of their own: one is written by all threads, the other read by all.
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> round_{0};
};

// A thread's part [begin, end) of some items.
struct Partition {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};

// A group of threads as one of them sees it: its rank, and the barrier that all of them wait at.
struct ThreadGroup {
  int rank = 0, size = 1;
  Barrier* barrier = nullptr;

  void wait() const {
    if (size > 1) barrier->wait();
  }
  // This thread's part of `count` items.
  Partition partition(std::int64_t count) const {
    return {count * rank / size, count * (rank + 1) / size};
  }
};

}  // namespace gpt
