// Memory that several processes share: sums in the order of the ranks, whoever is slow, and what
// happens when one of them is lost.
#include "parallel/shared_memory.h"

#include <csignal>
#include <fstream>
#include <functional>
#include <numeric>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/base/error.h"

namespace gpt {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLong = 60s;

SharedMemory::Place place_of(int rank, int size, std::chrono::milliseconds timeout = kLong) {
  return {.rank = rank, .size = size, .timeout = timeout, .spin = 50us};
}

// `work` as each of `size` ranks, in threads.
void run(int size, const std::function<void(SharedMemory&, int)>& work) {
  SharedMemory first(place_of(0, size));
  std::vector<std::jthread> others;
  for (int rank = 1; rank < size; ++rank)
    others.emplace_back([&, rank] {
      SharedMemory memory(place_of(rank, size), first.address());
      work(memory, rank);
    });
  work(first, 0);
}

// (1e8 + -1e8) + 1 is 1 in this order alone. Longer than three slots, and not a multiple of much.
TEST(SharedMemory, SumsAreAddedInTheOrderOfTheRanks) {
  constexpr std::int64_t kCount = 900'007;
  constexpr float kSummands[] = {1e8F, -1e8F, 1, 3};
  for (const int size : {1, 2, 3, 4}) {
    const float expected = std::accumulate(kSummands, kSummands + size, 0.0F);
    run(size, [&](SharedMemory& memory, int rank) {
      const at::Tensor x = at::full({kCount}, kSummands[rank]), y = x.clone();
      memory.sum(x);
      EXPECT_TRUE(at::equal(x, at::full_like(x, expected))) << rank << " of " << size;
      for (int root = 0; root < size; ++root) {
        const at::Tensor z = y.clone();
        memory.sum_in(root, z);
        EXPECT_TRUE(at::equal(z, at::full_like(z, rank == root ? expected : kSummands[rank])))
            << rank << " of " << size << " in " << root;
      }
    });
  }
}

TEST(SharedMemory, EveryTypeAndSize) {
  run(3, [&](SharedMemory& memory, int rank) {
    for (const auto type : {at::kFloat, at::kDouble, at::kLong, at::kBFloat16, at::kHalf})
      for (const std::int64_t count : {1, 2, 63, 64, 200, 70'000}) {
        const at::Tensor whole = at::arange(count, at::kLong).remainder(50).to(type);
        const at::Tensor x = whole * (rank + 1);
        memory.sum(x);
        EXPECT_TRUE(at::equal(x, whole * 6)) << count << " of " << type;
        const at::Tensor y = whole + rank;
        memory.copy_from(2, y);
        EXPECT_TRUE(at::equal(y, whole + 2)) << count << " of " << type;
      }
  });
}

// Each in turn comes late, and nobody gets ahead of who still reads.
TEST(SharedMemory, NobodyOvertakes) {
  constexpr int kTurns = 600;
  run(3, [&](SharedMemory& memory, int rank) {
    for (std::int64_t turn = 0; turn < kTurns; ++turn) {
      if (turn % 7 == rank) std::this_thread::sleep_for(100us);
      const at::Tensor x = at::full({300'000 / (1 + turn % 50)}, turn * (rank + 1), at::kLong);
      memory.sum(x);
      ASSERT_TRUE(at::equal(x, at::full_like(x, 6 * turn))) << turn;
      const at::Tensor y = at::full({1000}, turn + rank, at::kLong);
      memory.copy_from(static_cast<int>(turn % 3), y);
      ASSERT_TRUE(at::equal(y, at::full_like(y, turn + turn % 3))) << turn;
      const auto most = memory.largest({turn + rank, -turn - rank, turn, rank});
      ASSERT_EQ(most, (SharedMemory::Facts{turn + 2, -turn, turn, 2})) << turn;
    }
  });
}

// A process of its own that opens the memory and does `work`.
pid_t start(const SharedMemory& memory, const std::function<void(SharedMemory&)>& work) {
  const pid_t id = fork();
  if (id != 0) return id;
  try {
    SharedMemory other(place_of(1, 2), memory.address());
    work(other);
    _exit(0);
  } catch (const std::exception&) {
    _exit(1);
  }
}

// What a wait says, and how long it takes.
std::pair<std::string, double> failure(SharedMemory& memory) {
  const auto begin = Clock::now();
  std::string text = "none";
  try {
    memory.largest({});
  } catch (const std::runtime_error& error) {
    text = error.what();
  }
  return {text, std::chrono::duration<double>(Clock::now() - begin).count()};
}

TEST(SharedMemory, WhoIsKilledIsMissedAtOnce) {
  SharedMemory memory(place_of(0, 2));
  const pid_t child = start(memory, [](SharedMemory& other) {
    other.largest({});
    raise(SIGKILL);
  });
  EXPECT_EQ(memory.largest({1, 2, 3, 4}), (SharedMemory::Facts{1, 2, 3, 4}));
  const auto [text, seconds] = failure(memory);
  EXPECT_EQ(text, "rank 1 has left");
  EXPECT_LT(seconds, 10);  // of sixty; the machine may be busy
  waitpid(child, nullptr, 0);
}

// What a process said before its end counts.
TEST(SharedMemory, WhoComesAndThenLeavesHasCome) {
  SharedMemory memory(place_of(0, 2));
  const pid_t child = start(memory, [](SharedMemory& other) {
    std::thread([] {
      std::this_thread::sleep_for(200ms);
      _exit(0);
    }).detach();
    other.largest({7, 0, 0, 0});
  });
  waitpid(child, nullptr, 0);
  EXPECT_EQ(memory.largest({}).front(), 7);
  EXPECT_EQ(failure(memory).first, "rank 1 has left");
}

TEST(SharedMemory, WhoIsStoppedIsWaitedForOnlySoLong) {
  SharedMemory memory(place_of(0, 2, 3s));
  const pid_t child = start(memory, [](SharedMemory& other) {
    other.largest({});
    raise(SIGSTOP);
  });
  EXPECT_EQ(failure(memory).first, "none");
  const auto [text, seconds] = failure(memory);
  EXPECT_EQ(text, "rank 1 does not come");
  EXPECT_GE(seconds, 2.9);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(SharedMemory, LeavesNothing) {
  const std::string name = "gpttrain's shared memory";
  {
    SharedMemory memory(place_of(0, 2));
    SharedMemory other(place_of(1, 2), memory.address());
    const std::string address = memory.address();
    memory.forget_address();
    EXPECT_THROW(SharedMemory(place_of(1, 2), address), Error);
    EXPECT_NE(read("/proc/self/maps").find(name), std::string::npos);
  }
  EXPECT_EQ(read("/proc/self/maps").find(name), std::string::npos);
}

TEST(SharedMemory, OfAnotherRunIsRefused) {
  SharedMemory memory(place_of(0, 2));
  const std::string address = memory.address();
  EXPECT_THROW(SharedMemory(place_of(1, 3), address), Error);
  EXPECT_THROW(SharedMemory(place_of(1, 2), address + "0"), Error);
  EXPECT_THROW(SharedMemory(place_of(1, 2), "nothing"), Error);
  EXPECT_THROW(SharedMemory(place_of(1, 2), "/proc/self/exe 1"), Error);
}

}  // namespace
}  // namespace gpt
