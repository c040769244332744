#include "gpt/sampling/token_draw.h"

#include <gtest/gtest.h>

#include "gpt/model/gpt.h"
#include "gpt/model/weight_init.h"

#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::near;

TEST(DrawProbabilities, ByHand) {
  const at::Tensor p = at::tensor({0.1, 0.4, 0.2, 0.3}, at::kDouble);
  const at::Tensor logits = p.log().to(at::kFloat) + 3;
  const auto expect = [&](const DrawOptions& options, std::vector<double> expected) {
    EXPECT_TRUE(near(draw_probabilities(logits, options), at::tensor(expected, at::kDouble), 1e-6));
  };
  expect({}, {0.1, 0.4, 0.2, 0.3});
  expect({.temperature = 0.5}, {0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3, 0.09 / 0.3});
  expect({.top_k = 2}, {0, 4.0 / 7, 0, 3.0 / 7});
  expect({.top_k = 9}, {0.1, 0.4, 0.2, 0.3});
  expect({.top_p = 0.6}, {0, 4.0 / 7, 0, 3.0 / 7});         // 0.4 is short of 0.6, 0.7 is not
  expect({.top_p = 0.75}, {0, 4.0 / 9, 2.0 / 9, 3.0 / 9});  // 0.7 is short of it
  expect({.top_p = 1e-9}, {0, 1, 0, 0});
  expect({.top_k = 3, .top_p = 0.5}, {0, 4.0 / 7, 0, 3.0 / 7});  // 4/9 is short of 0.5
  expect({.vocabulary = 3}, {1.0 / 7, 4.0 / 7, 2.0 / 7, 0});
}

TEST(DrawProbabilities, TiesAtTheKthPlaceStay) {
  const at::Tensor p = draw_probabilities(at::tensor({1.0F, 2.0F, 1.0F, 0.0F}), {.top_k = 2});
  EXPECT_GT(p[0].item<float>(), 0);
  EXPECT_EQ(p[0].item<float>(), p[2].item<float>());
  EXPECT_EQ(p[3].item<float>(), 0);
}

TEST(DrawToken, GreedyIsTheLikeliestWhateverTheSeed) {
  const at::Tensor logits = at::tensor({1.0F, 3.0F, 2.0F, 3.0F, 9.0F});  // two are the likeliest
  const std::vector<DrawOptions> greedy = {{.temperature = 0, .vocabulary = 4},
                                           {.temperature = 100, .top_k = 1, .vocabulary = 4},
                                           {.top_p = 0, .vocabulary = 4}};
  for (const DrawOptions& options : greedy) {
    EXPECT_TRUE(
        draw_probabilities(logits, options).equal(at::tensor({0.0F, 1.0F, 0.0F, 0.0F, 0.0F})));
    for (const std::uint64_t seed : {1, 2, 3, 4, 5, 6}) {
      auto g = testing::generator(seed);
      EXPECT_EQ(draw_token(logits, options, g), 1);
    }
  }
  auto g = testing::generator(1);
  EXPECT_EQ(draw_token(logits, {.temperature = 0}, g), 4);
}

// As RepetitionPenaltyLogitsProcessor of transformers.
TEST(Penalized, WhatTheTextHasBecomesLessLikely) {
  const at::Tensor logits = at::tensor({2.0F, -2.0F, 0.0F, 4.0F});
  EXPECT_TRUE(penalized(logits, {1, 3, 3, 1, 2}, 2).equal(at::tensor({2.0F, -4.0F, 0.0F, 2.0F})));
  EXPECT_TRUE(penalized(logits, {0}, 0.5).equal(at::tensor({4.0F, -2.0F, 0.0F, 4.0F})));
  EXPECT_TRUE(logits.equal(at::tensor({2.0F, -2.0F, 0.0F, 4.0F})));  // the model's stay
}

TEST(DrawToken, FollowsTheProbabilities) {
  auto g = testing::generator(11);
  const std::vector<double> p{0.1, 0.4, 0.2, 0.3};
  const at::Tensor logits = at::tensor(p, at::kFloat).log();
  std::vector<int> count(4);
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) ++count[static_cast<std::size_t>(draw_token(logits, {}, g))];
  for (std::size_t i = 0; i < 4; ++i)  // five standard deviations
    EXPECT_NEAR(count[i], kDraws * p[i], 350) << i;
}

TEST(SkipDraws, LeavesTheGeneratorAsTheDrawsDo) {
  for (const std::int64_t vocabulary : {1, 2, 65, 700, 50304}) {
    auto drawn = testing::generator(5), skipped = testing::generator(5);
    const at::Tensor logits = at::zeros({vocabulary});
    for (int i = 0; i < 3; ++i) draw_token(logits, {.top_k = 2}, drawn);
    skip_draws(skipped, vocabulary, 3);
    EXPECT_TRUE(at::rand({100}, drawn).equal(at::rand({100}, skipped))) << vocabulary;
  }
}

TEST(SkipInit, LeavesTheGeneratorAsTheModelDoes) {
  for (const bool bias : {false, true})
    for (const std::int64_t width : {2, 6, 8, 20})
      for (const std::int64_t vocabulary : {5, 64, 65}) {
        ModelConfig config;
        config.n_layer = 2;
        config.n_head = 2;
        config.n_embd = width;
        config.bias = bias;
        auto drawn = testing::generator(9), skipped = testing::generator(9);
        Gpt(config, vocabulary, /*block_size=*/7, drawn);
        skip_init(skipped, {config, vocabulary, 7});
        EXPECT_TRUE(at::randn({100}, drawn).equal(at::randn({100}, skipped)))
            << bias << " " << width << " " << vocabulary;
      }
}

}  // namespace
}  // namespace gpt
