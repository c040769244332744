#include "gpt/optim/schedule.h"

#include <fstream>
#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace gpt {
namespace {

// By hand, for learning_rate 1, min_lr 0.1, warm-up 4, decay until 14.
TEST(Schedule, FollowsNanoGpt) {
  OptimizerConfig optimizer;
  optimizer.learning_rate = 1;
  ScheduleConfig schedule;
  schedule.warmup_iters = 4;
  schedule.lr_decay_iters = 14;
  schedule.min_lr = 0.1;
  const auto at = [&](std::int64_t it) { return learning_rate_at(it, optimizer, schedule); };
  EXPECT_DOUBLE_EQ(at(0), 0.2);
  EXPECT_DOUBLE_EQ(at(3), 0.8);
  EXPECT_DOUBLE_EQ(at(4), 1.0);
  EXPECT_DOUBLE_EQ(at(9), 0.55);
  EXPECT_DOUBLE_EQ(at(14), 0.1);
  EXPECT_DOUBLE_EQ(at(15), 0.1);
  EXPECT_DOUBLE_EQ(at(1000000), 0.1);
}

TEST(Schedule, TheLargestIterationsDoNotOverflow) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  OptimizerConfig optimizer;
  optimizer.learning_rate = 1;
  ScheduleConfig schedule;
  schedule.warmup_iters = kMost;
  EXPECT_GT(learning_rate_at(0, optimizer, schedule), 0);
  EXPECT_LT(learning_rate_at(1000, optimizer, schedule), 1e-12);
  EXPECT_DOUBLE_EQ(learning_rate_at(kMost - 1, optimizer, schedule), 1);
  schedule.warmup_iters = 0;
  schedule.lr_decay_iters = kMost;
  EXPECT_DOUBLE_EQ(learning_rate_at(1000, optimizer, schedule), 1);
}

TEST(Schedule, EqualsNanoGptsRecordedRates) {
  std::ifstream file(GPT_SOURCE_DIR "/tests/golden/schedule.json");
  const auto golden = nlohmann::json::parse(file);
  const auto& settings = golden.at("settings");
  OptimizerConfig optimizer;
  optimizer.learning_rate = settings.at("learning_rate");
  ScheduleConfig schedule;
  schedule.min_lr = settings.at("min_lr");
  schedule.warmup_iters = settings.at("warmup_iters");
  schedule.lr_decay_iters = settings.at("lr_decay_iters");
  const auto iters = golden.at("iters").get<std::vector<std::int64_t>>();
  ASSERT_GE(iters.size(), 10u);
  for (std::size_t i = 0; i < iters.size(); ++i)
    EXPECT_DOUBLE_EQ(learning_rate_at(iters[i], optimizer, schedule),
                     golden.at("learning_rates")[i].get<double>())
        << iters[i];
}

TEST(Schedule, ConstantWithoutDecay) {
  OptimizerConfig optimizer;
  optimizer.learning_rate = 3e-5;
  ScheduleConfig schedule;
  schedule.decay_lr = false;
  EXPECT_EQ(learning_rate_at(0, optimizer, schedule), 3e-5);
  EXPECT_EQ(learning_rate_at(700000, optimizer, schedule), 3e-5);
}

TEST(Schedule, WarmUpMayEndWhereDecayEnds) {
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  schedule.warmup_iters = schedule.lr_decay_iters = 10;
  EXPECT_EQ(learning_rate_at(10, optimizer, schedule), schedule.min_lr);
}

}  // namespace
}  // namespace gpt
