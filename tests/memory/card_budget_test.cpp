#include "gpt/memory/card_budget.h"

#include <gtest/gtest.h>

#include "gpt/memory/step_table.h"

namespace gpt {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr auto kContext = static_cast<std::uint64_t>(kCudaContext);

DeviceReading reading(std::optional<std::uint64_t> own, bool display = false) {
  DeviceReading now;
  now.own = own;
  now.drives_display = display;
  return now;
}

// The plan counts the context, and what is free does not have it any more.
TEST(CardBudget, TheContextCountsOnce) {
  const CardMemory card{.total = 12000 * kMiB, .free = 11000 * kMiB, .cached = 0};
  EXPECT_EQ(card_budget(card, reading(300 * kMiB)).limit, 11300 * kMiB);
  EXPECT_EQ(card_budget(card, reading(900 * kMiB)).limit, 11000 * kMiB + kContext);
  // The driver does not tell in a container.
  EXPECT_EQ(card_budget(card, reading(std::nullopt)).limit, 11250 * kMiB);
  EXPECT_EQ(card_budget(card, std::nullopt).limit, 11250 * kMiB);
  EXPECT_EQ(card_budget(card, std::nullopt).source, "free now");
}

TEST(CardBudget, WhatIsCachedCanBeUsedAgain) {
  const CardMemory card{.total = 12000 * kMiB, .free = 11000 * kMiB, .cached = 200 * kMiB};
  EXPECT_EQ(card_budget(card, reading(500 * kMiB)).limit, 11500 * kMiB);
  const CardMemory all{.total = 12000 * kMiB, .free = 12000 * kMiB, .cached = 0};
  EXPECT_EQ(card_budget(all, reading(300 * kMiB)).limit, 12000 * kMiB);
}

TEST(CardBudget, ADisplayKeepsSome) {
  const CardMemory small{.total = 6000 * kMiB, .free = 5000 * kMiB, .cached = 0};
  EXPECT_EQ(card_budget(small, reading(0, true)).kept, 256 * kMiB);
  EXPECT_EQ(card_budget(small, reading(0, true)).limit, 4744 * kMiB);
  const CardMemory large{.total = 24000 * kMiB, .free = 20000 * kMiB, .cached = 0};
  EXPECT_EQ(card_budget(large, reading(0, true)).limit, 19280 * kMiB);
  EXPECT_NE(card_budget(large, reading(0, true)).source, "free now");
  EXPECT_EQ(card_budget(large, reading(0)).kept, 0u);
  const CardMemory full{.total = 6000 * kMiB, .free = 100 * kMiB, .cached = 0};
  EXPECT_EQ(card_budget(full, reading(0, true)).limit, 0u);
}

}  // namespace
}  // namespace gpt
