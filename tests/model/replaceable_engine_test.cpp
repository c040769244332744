#include "model/replaceable_engine.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "gpt/kernels/device_choices.h"
#include "gpt/model/engines.h"

#include "support/tensor_near.h"

namespace gpt {
namespace {

// The CPU's fused engine stands for that of a card.
TEST(ReplaceableEngine, KeepsDocumentsApartAfterAStepDown) {
  TrainConfig config;
  config.model.n_layer = 2, config.model.n_head = 2, config.model.n_embd = 16;
  at::Generator generator = at::detail::createCPUGenerator(7);
  Gpt model(config.model, 31, 8, generator);
  const Compute compute{c10::Device("cpu"), at::kFloat};
  ReplaceableEngine engine(make_cpu_engine(config, model, compute), config, model, compute);
  const at::Tensor x_BT = at::randint(0, 31, {3, 8}, generator, at::kLong);
  x_BT.select(1, 3).fill_(5);
  const at::Tensor whole = engine.token_losses(x_BT, x_BT);
  engine.mask_documents(5);
  const at::Tensor apart = engine.token_losses(x_BT, x_BT);
  EXPECT_FALSE(testing::near(apart, whole, 1e-5));
  DeviceChoices choices;
  choices.fused = false;
  set_device_choices(choices);
  const at::Tensor by_eager = engine.token_losses(x_BT, x_BT);
  set_device_choices(std::nullopt);
  EXPECT_EQ(engine.kind(), EngineKind::kEager);
  EXPECT_TRUE(testing::near(by_eager, apart, 1e-5));
}

}  // namespace
}  // namespace gpt
