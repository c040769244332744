#include <gtest/gtest.h>

#include "gpt/memory/planner.h"

#include "memory/users_workload.h"

namespace gpt {
namespace {

constexpr std::int64_t kMebi = std::int64_t{1} << 20;

Workload users_workload() {
  return testing::users_workload(EngineKind::kTensor);
}

std::int64_t train_needs(const Plan& plan) {
  return estimate_of(users_workload(), plan, gpu_rates("rtx3060")).train.live.total();
}

TEST(NextSmaller, IsTheFastestThatNeedsLessByTheShortfallAndASixteenth) {
  const DeviceRates rates = gpu_rates("rtx3060");
  const Plan failed{.micro_batch = 22, .head_chunk = 16384};
  for (const std::int64_t shortfall : {std::int64_t{0}, 4000 * kMebi}) {
    const auto next = Planner(users_workload(), {}, rates).next_smaller(failed, shortfall, 1);
    ASSERT_TRUE(next);
    const std::int64_t cut = std::max(shortfall, train_needs(failed) / 16);
    EXPECT_LE(train_needs(*next), train_needs(failed) - cut);
    // Halving would leave memory unused.
    if (shortfall == 0) {
      EXPECT_GT(next->micro_batch, 11);
    }
    EXPECT_EQ(next->offload, Offload::kOff);
    const Plan halved{.micro_batch = 11, .head_chunk = 11264};
    if (shortfall == 0) {
      EXPECT_LT(estimate_of(users_workload(), *next, rates).seconds,
                estimate_of(users_workload(), halved, rates).seconds);
    }
  }
}

TEST(NextSmaller, FailuresInARowEndInAFewPlans) {
  Plan plan{.micro_batch = 22, .head_chunk = 16384};
  std::int64_t needed = train_needs(plan);
  int failures = 0;
  while (
      const auto next =
          Planner(users_workload(), {}, gpu_rates("rtx3060")).next_smaller(plan, 0, ++failures)) {
    EXPECT_LT(train_needs(*next), needed);
    plan = *next;
    needed = train_needs(plan);
  }
  EXPECT_GT(failures, 4);
  EXPECT_LT(failures, 12);
}

TEST(NextSmaller, WhatIsFixedStaysWhileThatLeavesAChoice) {
  const DeviceRates rates = gpu_rates("rtx3060");
  const Plan failed{.recompute = Recompute::kNone,
                    .offload = Offload::kMoments,
                    .micro_batch = 22,
                    .head_chunk = 16384};
  const auto kept =
      Planner(users_workload(), {.recompute = Recompute::kNone}, rates).next_smaller(failed, 0, 1);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->recompute, Recompute::kNone);
  EXPECT_EQ(kept->offload, Offload::kMoments);
  const auto freed = Planner(users_workload(), {.micro_batch = 22}, rates)
                         .next_smaller(failed, train_needs(failed) - 2400 * kMebi, 1);
  ASSERT_TRUE(freed);
  EXPECT_LT(freed->micro_batch, 22);
  EXPECT_EQ(freed->offload, Offload::kMoments);
}

}  // namespace
}  // namespace gpt
