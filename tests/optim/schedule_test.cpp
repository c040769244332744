#include "gpt/optim/schedule.h"

#include <cmath>
#include <fstream>
#include <limits>
#include <numbers>

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

// learning_rate 1, min_lr 0.1, warm-up 4, the end at 24.
class OtherSchedules : public ::testing::Test {
 protected:
  OtherSchedules() {
    optimizer_.learning_rate = 1;
    schedule_.warmup_iters = 4;
    schedule_.lr_decay_iters = 24;
    schedule_.min_lr = 0.1;
  }
  double at(std::int64_t iteration) const {
    return learning_rate_at(iteration, optimizer_, schedule_);
  }

  OptimizerConfig optimizer_;
  ScheduleConfig schedule_;
};

TEST_F(OtherSchedules, LinearGoesStraightDown) {
  schedule_.lr_schedule = "linear";
  EXPECT_DOUBLE_EQ(at(1), 0.4);  // as nanoGPT warms up
  EXPECT_DOUBLE_EQ(at(4), 1.0);
  EXPECT_DOUBLE_EQ(at(14), 0.55);
  EXPECT_DOUBLE_EQ(at(24), 0.1);
  EXPECT_DOUBLE_EQ(at(25), 0.1);
}

TEST_F(OtherSchedules, ConstantStaysAfterTheWarmUp) {
  schedule_.lr_schedule = "constant";
  EXPECT_DOUBLE_EQ(at(1), 0.4);
  EXPECT_DOUBLE_EQ(at(4), 1.0);
  EXPECT_DOUBLE_EQ(at(1000), 1.0);
}

// llm.c: (1 - sqrt((s - d) / (N - d))) from d = int(0.8 N) = 19 on.
TEST_F(OtherSchedules, WsdDecaysInTheLastFifthAsLlmC) {
  schedule_.lr_schedule = "wsd";
  EXPECT_EQ(cooldown_iterations(schedule_), 5);
  EXPECT_DOUBLE_EQ(at(3), 0.8);
  EXPECT_DOUBLE_EQ(at(4), 1.0);
  EXPECT_DOUBLE_EQ(at(19), 1.0);
  EXPECT_DOUBLE_EQ(at(20), 0.1 + 0.9 * (1 - std::sqrt(0.2)));
  EXPECT_DOUBLE_EQ(at(23), 0.1 + 0.9 * (1 - std::sqrt(0.8)));
  EXPECT_DOUBLE_EQ(at(24), 0.1);
  EXPECT_DOUBLE_EQ(at(99), 0.1);
}

TEST_F(OtherSchedules, TheCooldownHasALengthAndAShape) {
  schedule_.lr_schedule = "wsd";
  schedule_.cooldown_iters.value = 10;
  schedule_.cooldown_shape = "linear";
  EXPECT_DOUBLE_EQ(at(14), 1.0);
  EXPECT_DOUBLE_EQ(at(19), 0.55);
  schedule_.cooldown_shape = "cosine";
  EXPECT_DOUBLE_EQ(at(19), 0.55);
  EXPECT_DOUBLE_EQ(at(16), 0.1 + 0.9 * 0.5 * (1 + std::cos(std::numbers::pi * 0.2)));
}

TEST_F(OtherSchedules, AreSaidInWords) {
  EXPECT_EQ(schedule_text(optimizer_, schedule_),
            "warm-up over 4 iterations to 1, then cosine to 0.1 at iteration 24");
  schedule_.lr_schedule = "wsd";
  EXPECT_EQ(schedule_text(optimizer_, schedule_),
            "warm-up over 4 iterations to 1, then constant; from iteration 19 1 - sqrt to 0.1 at "
            "iteration 24");
  schedule_.decay_lr = false;
  EXPECT_EQ(schedule_text(optimizer_, schedule_), "constant at 1");
}

}  // namespace
}  // namespace gpt
