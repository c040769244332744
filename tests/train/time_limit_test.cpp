#include "gpt/train/time_limit.h"

#include <ctime>

#include <gtest/gtest.h>

#include "gpt/train/run_start.h"

#include "support/environment.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

class TimeLimits : public ::testing::Test {
 protected:
  TimeLimit::Clocks clocks() {
    return {[this] { return now_; }, [this] { return 1.7e9 + now_; }};
  }
  double now_ = 500;
};

TEST_F(TimeLimits, AreNoneUnlessAskedFor) {
  const TimeLimit limit(0, nullptr, clocks());
  now_ += 1e9;
  EXPECT_EQ(limit.due(), 0);
}

TEST_F(TimeLimits, MinutesCountFromTheStart) {
  const TimeLimit limit(2, nullptr, clocks());
  now_ += 119;
  EXPECT_EQ(limit.due(), 0);
  now_ += 1;
  EXPECT_EQ(limit.due(), TimeLimit::kMaxMinutes);
}

TEST_F(TimeLimits, AJobLeavesTimeToSave) {
  TimeLimit limit(0, "1700010500", clocks());  // in 10,000 seconds
  limit.took(200);
  limit.took(100);
  now_ += 10000 - 461;
  EXPECT_EQ(limit.due(), 0);
  now_ += 1;  // twice 200 seconds and a minute
  EXPECT_EQ(limit.due(), TimeLimit::kJobEnd);
}

TEST_F(TimeLimits, OfAShortJobATenthIsLeftAtMost) {
  const TimeLimit limit(0, "1700000600", clocks());  // in 100 seconds
  now_ += 89;
  EXPECT_EQ(limit.due(), 0);
  now_ += 1;
  EXPECT_EQ(limit.due(), TimeLimit::kJobEnd);
}

TEST_F(TimeLimits, NonsenseIsPassedOver) {
  for (const char* text : {"soon", "-5", "1600000000", "1e20", "99999999999999999999"}) {
    ::testing::internal::CaptureStderr();
    const TimeLimit limit(0, text, clocks());
    const std::string said = ::testing::internal::GetCapturedStderr();
    now_ += 1e12;
    EXPECT_EQ(limit.due(), 0) << text;
    EXPECT_NE(said.find(text), std::string::npos) << said;
    now_ = 500;
  }
}

TEST(TimeLimit, ARunSavesAndStopsAndTheSameCommandContinues) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.optimizer.max_minutes = 1e-3;
  config.optimizer.max_iters = 1000000;
  TinyRun run(config);
  EXPECT_EQ(run.go(), kExitStopped);
  const auto saved = CheckpointStore(config.io.out_dir, 2).newest_good();
  ASSERT_TRUE(saved);
  EXPECT_GT(saved->step, 0);
  EXPECT_EQ(saved->manifest.reason, "time max_minutes");
  EXPECT_TRUE(choose_start(config, CheckpointStore(config.io.out_dir, 2)).checkpoint);
}

TEST(TimeLimit, TheEndOfAJobIsReadFromItsEnvironment) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.optimizer.max_iters = 1000000;
  const testing::Environment job("SLURM_JOB_END_TIME", std::to_string(time(nullptr) + 3));
  TinyRun run(config);
  EXPECT_EQ(run.go(), kExitStopped);
  const auto saved = CheckpointStore(config.io.out_dir, 2).newest_good();
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->manifest.reason, "time SLURM_JOB_END_TIME");
}

}  // namespace
}  // namespace gpt
