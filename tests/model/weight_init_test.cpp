#include "gpt/model/weight_init.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/model/generator_steps.h"
#include "gpt/model/gpt.h"

#include "support/tensor_near.h"

namespace gpt {
namespace {

// The pieces are of 2^20 values: one, several, and rests of every kind at their ends.
TEST(WeightInit, AreLibTorchsBitForBit) {
  constexpr std::int64_t kPiece = 1 << 20;
  for (const std::int64_t count :
       {1L, 15L, 16L, 17L, 1000L, kPiece, kPiece + 1, kPiece + 15, kPiece + 16, 2 * kPiece + 33}) {
    auto plain = testing::generator(3), drawn = testing::generator(3);
    const at::Tensor first = at::empty({count}).normal_(0.0, 0.5, plain);
    at::empty({count}).uniform_(-1, 1, plain);
    at::empty({count}).normal_(0.0, 1.0, plain);
    const at::Tensor second = at::empty({7, 3}).normal_(0.0, 0.02, plain);

    const at::Tensor a = at::zeros({count}), b = at::zeros({7, 3});
    WeightInit draws(drawn);
    draws.normal(a, 0.5);
    draws.skip_uniform(count);
    draws.skip_normal(count);
    draws.normal(b, 0.02);
    draws.draw();
    EXPECT_TRUE(a.equal(first)) << count;
    EXPECT_TRUE(b.equal(second)) << count;
    EXPECT_TRUE(drawn.get_state().equal(plain.get_state())) << count;
  }
}

TEST(WeightInit, SkippingMovesTheGeneratorAsDrawingDoes) {
  for (const bool bias : {false, true}) {
    ModelShape shape{.config = {}, .vocab_size = 50, .block_size = 7};
    shape.config.n_layer = 2;
    shape.config.n_embd = 12;
    shape.config.bias = bias;
    auto drawn = testing::generator(3), skipped = testing::generator(3);
    const Gpt model(shape.config, shape.vocab_size, shape.block_size, drawn);
    skip_init(skipped, shape);
    EXPECT_TRUE(skipped.get_state().equal(drawn.get_state())) << bias;
  }
}

TEST(SkipSteps, IsAsManyNumbersOfTheEngine) {
  for (const std::int64_t before : {0, 1, 623, 624, 700})
    for (const std::int64_t steps : {0, 1, 2, 623, 624, 625, 1247, 1248, 1249, 10000}) {
      auto plain = testing::generator(8), skipped = testing::generator(8);
      for (auto* generator : {&plain, &skipped}) at::empty({before}).uniform_(0, 1, *generator);
      if (steps > 0) at::empty({steps}).uniform_(0, 1, plain);
      skip_steps(skipped, steps);
      EXPECT_TRUE(skipped.get_state().equal(plain.get_state())) << before << " " << steps;
    }
}

}  // namespace
}  // namespace gpt
