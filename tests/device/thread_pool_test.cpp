#include "gpt/device/thread_pool.h"

#include <mutex>
#include <set>
#include <thread>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace gpt {
namespace {

// Files of this project are compiled with OpenMP, so that LibTorch's loops are parallel in them.
TEST(Threads, LibTorchsLoopsAreParallelHere) {
  if (at::get_num_threads() < 2) GTEST_SKIP() << "LibTorch has one thread here";
  std::mutex mutex;
  std::set<std::thread::id> threads;
  at::parallel_for(0, 1000, 1, [&](std::int64_t, std::int64_t) {
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_GT(threads.size(), 1u);
}

TEST(Threads, APoolsRanksAreThreadsOfTheirOwn) {
  ThreadPool& pool = thread_pool();
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::set<int> ranks;
  pool.run([&](int rank) {
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
    ranks.insert(rank);
  });
  EXPECT_EQ(ranks.size(), static_cast<std::size_t>(pool.size()));
  EXPECT_EQ(threads.size(), static_cast<std::size_t>(pool.size()));
}

TEST(Threads, AnExceptionReachesTheCaller) {
  EXPECT_THROW(thread_pool().run([](int) { throw 1; }), int);
}

}  // namespace
}  // namespace gpt
