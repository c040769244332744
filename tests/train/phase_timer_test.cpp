#include "gpt/train/phase_timer.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

void pass(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
}

// A sleep may be longer than asked for, never shorter, so each bound holds on a busy machine.
TEST(PhaseTimer, ASpansTimeIsLessThoseInside) {
  PhaseTimer clock(c10::Device(c10::kCPU));
  const auto start = std::chrono::steady_clock::now();
  {
    const ProfileRange outer("outer");
    pass(2);
    for (int i = 0; i < 2; ++i) {
      const ProfileRange inner("inner");
      pass(20);
    }
    std::thread other([] {
      const ProfileRange elsewhere("elsewhere");
      pass(1);
    });
    other.join();
  }
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - start;
  const auto times = clock.take();
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0].first, "outer");
  EXPECT_EQ(times[1].first, "inner");
  EXPECT_GE(times[0].second, 0.003);
  EXPECT_GE(times[1].second, 0.040);
  const double sum = times[0].second + times[1].second;
  EXPECT_LE(sum, whole.count());
  EXPECT_GE(sum, 0.043);
  EXPECT_TRUE(clock.take().empty());
}

TEST(PhaseTimer, AnIterationIsTheSumOfItsPhases) {
  const TempDir dir;
  TinyRun run(tiny_config(dir));
  run.trainer.iterate();
  PhaseTimer clock(run.compute.device);
  const auto start = std::chrono::steady_clock::now();
  run.trainer.iterate();
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - start;
  double sum = 0;
  std::vector<std::string> names;
  for (const auto& [name, seconds] : clock.take()) {
    sum += seconds;
    names.push_back(name);
    EXPECT_GT(seconds, 0) << name;
  }
  EXPECT_LE(sum, whole.count());
  EXPECT_GT(sum, 0.5 * whole.count());
  for (const char* name : {"iteration", "data", "forward", "head", "backward", "optimizer"})
    EXPECT_NE(std::find(names.begin(), names.end(), name), names.end()) << name;
}

}  // namespace
}  // namespace gpt
