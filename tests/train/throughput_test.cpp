#include "gpt/train/throughput.h"

#include <thread>

#include <gtest/gtest.h>

namespace gpt {
namespace {

Throughput::Reading after(Throughput& speed, int steps) {
  for (int i = 0; i < steps; ++i) {
    speed.start_step();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    speed.end_step();
  }
  return speed.read();
}

TEST(Throughput, UtilisationIsOfThePeak) {
  Throughput speed(1e6, 100, 1e15);  // FLOP/s that no millisecond of 1e8 FLOPs comes near
  EXPECT_EQ(after(speed, 5).mfu, 0);
  const double mfu = after(speed, 1).mfu;
  EXPECT_GT(mfu, 0);
  EXPECT_LE(mfu, 1e-4);
}

// A step that beats the measured peak is the new peak.
TEST(Throughput, UtilisationIsNeverMoreThanAll) {
  Throughput speed(1e6, 100, 1);
  EXPECT_DOUBLE_EQ(after(speed, 6).mfu, 1);
  for (int i = 0; i < 20; ++i) EXPECT_LE(after(speed, 1).mfu, 1);
}

TEST(Throughput, TheRecentSpeedIsThatOfTheLastSteps) {
  Throughput speed(1e6, 100, 1e15);
  EXPECT_EQ(speed.recent_tokens_per_second(), 0);
  after(speed, 3);
  EXPECT_GE(speed.recent_seconds(), 1e-3);
  EXPECT_NEAR(speed.recent_tokens_per_second() * speed.recent_seconds(), 100, 1e-6);
}

}  // namespace
}  // namespace gpt
