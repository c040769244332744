#include "gpt/kernels/ops/token_scores.h"

#include <gtest/gtest.h>

#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::near;

TEST(TokenScores, EqualsLogSoftmaxInFloat64) {
  auto g = testing::generator(4);
  const at::Tensor x = at::randn({29, 24}, g), weight = at::randn({101, 24}, g);
  const at::Tensor logits = at::linear(x.to(at::kDouble), weight.to(at::kDouble));
  at::Tensor target = at::randint(101, {29}, g, at::kLong);
  target.narrow(0, 0, 10).copy_(logits.argmax(1).narrow(0, 0, 10));
  const at::Tensor loss = -at::log_softmax(logits, 1).gather(1, target.unsqueeze(1)).squeeze(1);
  const at::Tensor likeliest = logits.argmax(1) == target;
  for (const std::int64_t chunk : {0, 1, 7, 29, 64}) {
    TokenScores scores = score_tokens(x, weight, target, chunk);
    EXPECT_TRUE(near(scores.loss_N, loss, 1e-6)) << chunk;
    EXPECT_TRUE(scores.likeliest_N.equal(likeliest));
    scores = score_tokens(x.to(at::kDouble), weight.to(at::kDouble), target, chunk);
    EXPECT_TRUE(near(scores.loss_N, loss, 1e-14)) << chunk;
    scores = score_tokens(x, weight.to(at::kBFloat16), target, chunk);
    EXPECT_TRUE(near(scores.loss_N, loss, 0.02)) << chunk;
  }
  EXPECT_EQ(score_tokens(x.narrow(0, 0, 0), weight, target.narrow(0, 0, 0)).loss_N.numel(), 0);
}

}  // namespace
}  // namespace gpt
