#include "gpt/eval/choices.h"

#include <gtest/gtest.h>

#include "support/error_text.h"

namespace gpt {
namespace {

// A token costs its number / 10 nats.
std::vector<std::vector<TokenScore>> by_number(std::span<const ScoreRequest> requests) {
  std::vector<std::vector<TokenScore>> all;
  for (const ScoreRequest& request : requests) {
    all.emplace_back();
    for (std::size_t i = request.first; i < request.tokens.size(); ++i)
      all.back().push_back({static_cast<double>(request.tokens[i]) / 10, false});
  }
  return all;
}

//            sum        mean        per character
// ending 0:  3.0        3.0         3.0 / 10 = 0.3
// ending 1:  2.0 + 2.0  2.0         4.0 / 8  = 0.5
// ending 2:  2.5        2.5         2.5 / 2  = 1.25
// so the three rules choose 2, 1 and 0.
ChoiceExample example(std::size_t label) {
  return {.context = {7, 8},
          .endings = {{30}, {20, 20}, {25}},
          .characters = {10, 8, 2},
          .label = label};
}

TEST(Choices, EachRuleChoosesItsOwn) {
  const std::vector<ChoiceExample> examples{example(0), example(1), example(2), example(2)};
  for (const std::int64_t batch : {1, 2, 3, 7, 100}) {
    const ChoiceAccuracy a = score_choices(examples, 100, batch, by_number);
    EXPECT_EQ(a.examples, 4);
    EXPECT_EQ(a.by_sum, 2);
    EXPECT_EQ(a.by_mean, 1);
    EXPECT_EQ(a.by_character, 1);
    EXPECT_EQ(a.cut, 0);
  }
}

TEST(Choices, OfEqualEndingsTheFirstIsTaken) {
  const ChoiceExample equal{.context = {1}, .endings = {{5}, {5}}, .characters = {}, .label = 0};
  EXPECT_EQ(score_choices({equal}, 9, 4, by_number).by_sum, 1);
  EXPECT_EQ(score_choices({equal}, 9, 4, by_number).by_character, 0);  // no characters known
}

TEST(Choices, LongContextsAreCutAtTheirBeginning) {
  bool cut = false;
  ScoreRequest request = fitted_request({1, 2, 3, 4}, {5, 6}, 3, &cut);
  EXPECT_TRUE(cut);
  EXPECT_EQ(request.tokens, (std::vector<std::int64_t>{3, 4, 5, 6}));
  EXPECT_EQ(request.first, 2u);
  request = fitted_request({1, 2, 3, 4}, {5, 6}, 5, &cut);
  EXPECT_FALSE(cut);
  EXPECT_EQ(request.first, 4u);
  EXPECT_NE(testing::error_text([&] {
              fitted_request({1}, {5, 6, 7}, 2, &cut);
            }).find("an ending of 3 tokens does not fit"),
            std::string::npos);
  EXPECT_EQ(score_choices({example(0)}, 2, 4, by_number).cut, 1);
}

}  // namespace
}  // namespace gpt
