#include "gpt/model/evaluation_engine.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

namespace gpt {
namespace {

class EvaluationEngines : public ::testing::Test {
 protected:
  static TrainConfig config_of() {
    TrainConfig config;
    config.system.compile = false;
    config.model.n_layer = 2, config.model.n_head = 2, config.model.n_embd = 16;
    return config;
  }

  const TrainConfig config = config_of();
  at::Generator generator = at::detail::createCPUGenerator(7);
  Gpt model{config.model, 31, 8, generator};
  const Compute compute{c10::Device("cpu"), at::kFloat};
  const std::unique_ptr<Engine> alone = make_engine(config, model, compute);
  EvaluationEngine both{make_engine(config, model, compute), config, model, c10::Device("cpu")};
  const at::Tensor x_BT = at::randint(0, 31, {3, 8}, generator, at::kLong);
};

TEST_F(EvaluationEngines, EvaluatesACopyThatFollowsTheUpdates) {
  const at::Tensor y_BT = at::randint(0, 31, {3, 8}, generator, at::kLong);

  const at::Tensor before = both.token_losses(x_BT, y_BT);
  EXPECT_TRUE(at::equal(before, alone->token_losses(x_BT, y_BT)));
  {
    const at::NoGradGuard no_grad;
    model.parameters()[0].tensor.mul_(1.5);
  }
  EXPECT_TRUE(at::equal(both.token_losses(x_BT, y_BT), before)) << "the copy is its own";
  both.weights_changed();
  const at::Tensor after = both.token_losses(x_BT, y_BT);
  EXPECT_FALSE(at::equal(after, before));
  EXPECT_TRUE(at::equal(after, alone->token_losses(x_BT, y_BT)));

  both.accumulate(x_BT, y_BT, {}, {});
  EXPECT_TRUE(model.parameters()[0].tensor.grad().defined()) << "training is not on the copy";
}

TEST_F(EvaluationEngines, KeepsDocumentsApart) {
  x_BT.select(1, 3).fill_(5);
  const at::Tensor whole = both.token_losses(x_BT, x_BT);
  both.mask_documents(5);
  alone->mask_documents(5);
  EXPECT_TRUE(at::equal(both.token_losses(x_BT, x_BT), alone->token_losses(x_BT, x_BT)));
  EXPECT_FALSE(at::equal(both.token_losses(x_BT, x_BT), whole));
}

}  // namespace
}  // namespace gpt
