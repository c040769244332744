#include "gpt/memory/replan.h"

#include <gtest/gtest.h>

#include "memory/users_problem.h"

namespace gpt {
namespace {

constexpr std::int64_t kMebi = std::int64_t{1} << 20;

Problem users_problem() {
  return testing::users_problem(EngineKind::kTensor);
}

std::int64_t train_needs(const Choice& choice) {
  return plan_of(users_problem(), choice, gpu_rates("rtx3060")).train.live.total();
}

TEST(Replanned, IsTheFastestThatNeedsLessByTheShortfallAndASixteenth) {
  const DeviceRates rates = gpu_rates("rtx3060");
  const Choice failed{.micro_batch = 22, .head_chunk = 16384};
  for (const std::int64_t shortfall : {std::int64_t{0}, 4000 * kMebi}) {
    const auto next = replanned(users_problem(), {}, rates, failed, shortfall, 1);
    ASSERT_TRUE(next);
    const std::int64_t cut = std::max(shortfall, train_needs(failed) / 16);
    EXPECT_LE(train_needs(*next), train_needs(failed) - cut);
    // Halving would leave memory unused.
    if (shortfall == 0) {
      EXPECT_GT(next->micro_batch, 11);
    }
    EXPECT_EQ(next->offload, Offload::kOff);
    const Choice halved{.micro_batch = 11, .head_chunk = 11264};
    if (shortfall == 0) {
      EXPECT_LT(plan_of(users_problem(), *next, rates).seconds,
                plan_of(users_problem(), halved, rates).seconds);
    }
  }
}

TEST(Replanned, FailuresInARowEndInAFewPlans) {
  Choice choice{.micro_batch = 22, .head_chunk = 16384};
  std::int64_t needed = train_needs(choice);
  int failures = 0;
  while (const auto next =
             replanned(users_problem(), {}, gpu_rates("rtx3060"), choice, 0, ++failures)) {
    EXPECT_LT(train_needs(*next), needed);
    choice = *next;
    needed = train_needs(choice);
  }
  EXPECT_GT(failures, 4);
  EXPECT_LT(failures, 12);
}

TEST(Replanned, WhatIsFixedStaysWhileThatLeavesAChoice) {
  const DeviceRates rates = gpu_rates("rtx3060");
  const Choice failed{.recompute = Recompute::kNone,
                      .offload = Offload::kMoments,
                      .micro_batch = 22,
                      .head_chunk = 16384};
  const auto kept =
      replanned(users_problem(), {.recompute = Recompute::kNone}, rates, failed, 0, 1);
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->recompute, Recompute::kNone);
  EXPECT_EQ(kept->offload, Offload::kMoments);
  const auto freed = replanned(users_problem(), {.micro_batch = 22}, rates, failed,
                               train_needs(failed) - 2400 * kMebi, 1);
  ASSERT_TRUE(freed);
  EXPECT_LT(freed->micro_batch, 22);
  EXPECT_EQ(freed->offload, Offload::kMoments);
}

}  // namespace
}  // namespace gpt
