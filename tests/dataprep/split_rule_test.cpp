#include "gpt/dataprep/split_rule.h"

#include <vector>

#include <gtest/gtest.h>

namespace gpt {
namespace {

std::vector<std::int64_t> drawn(const SplitRule& rule, std::int64_t documents) {
  std::vector<std::int64_t> list;
  for (std::int64_t document = 0; document < documents; ++document)
    if (rule.is_val(document)) list.push_back(document);
  return list;
}

TEST(SplitRule, DrawsOneOfEachStratum) {
  const SplitRule rule(0.1, 2357);
  const auto list = drawn(rule, 10000);
  ASSERT_EQ(list.size(), 1000u);
  for (std::size_t stratum = 0; stratum < list.size(); ++stratum)
    EXPECT_EQ(list[stratum] / 10, static_cast<std::int64_t>(stratum));
  std::vector<int> places(10);
  for (const std::int64_t document : list) ++places[static_cast<std::size_t>(document % 10)];
  for (const int count : places) EXPECT_NEAR(count, 100, 40);  // 4 standard deviations
}

TEST(SplitRule, MeetsAnyShareToOneDocument) {
  for (const double fraction : {0.0005, 0.013, 0.25, 1.0 / 3, 0.5, 0.7, 0.9})
    for (const std::int64_t documents : {1000, 12345, 100000}) {
      const auto count = static_cast<double>(drawn(SplitRule(fraction, 1), documents).size());
      EXPECT_NEAR(count, fraction * static_cast<double>(documents), 1.01) << fraction;
    }
}

TEST(SplitRule, TheSeedDecides) {
  EXPECT_EQ(drawn(SplitRule(0.1, 1), 1000), drawn(SplitRule(0.1, 1), 1000));
  EXPECT_NE(drawn(SplitRule(0.1, 1), 1000), drawn(SplitRule(0.1, 2), 1000));
  // Data sets that people have prepared must not change under them.
  EXPECT_EQ(drawn(SplitRule(0.1, 2357), 50), (std::vector<std::int64_t>{5, 13, 21, 32, 47}));
}

TEST(SplitRule, NoRuleNoValidation) {
  EXPECT_TRUE(drawn(SplitRule(), 1000).empty());
}

}  // namespace
}  // namespace gpt
