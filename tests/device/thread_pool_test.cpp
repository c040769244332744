#include "gpt/device/thread_pool.h"

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace gpt {
namespace {

TEST(ParallelRanges, CoversEveryNumberOnce) {
  for (const std::int64_t count : {0, 1, 2, 3, 64, 1000, 100003})
    for (const std::int64_t grain : {0, 1, 7, 5000}) {
      std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
      parallel_ranges(count, grain, [&](std::int64_t first, std::int64_t last) {
        for (; first < last; ++first) ++seen[static_cast<std::size_t>(first)];
      });
      for (const auto& times : seen) ASSERT_EQ(times, 1) << count << " " << grain;
    }
}

TEST(ParallelRanges, UsesTheThreads) {
  if (at::get_num_threads() < 2) GTEST_SKIP() << "LibTorch has one thread here";
  std::mutex mutex;
  std::set<std::thread::id> threads;
  parallel_ranges(1000, 1, [&](std::int64_t, std::int64_t) {
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_GT(threads.size(), 1u);
}

TEST(ParallelRanges, AnExceptionReachesTheCaller) {
  EXPECT_THROW(parallel_ranges(1000, 1, [](std::int64_t, std::int64_t) { throw 1; }), int);
}

}  // namespace
}  // namespace gpt
