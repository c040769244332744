#include "gpt/optim/adamw.h"

#include "emulated.h"

namespace gpt {
namespace {

using testing::emulate;
using testing::near;

struct Outcome {
  std::vector<at::Tensor> all() const { return {norm, matrix, vector, m, v, step}; }
  at::Tensor norm, matrix, vector, m, v, step;
};

// Several pieces, a tail that is no multiple of four, and a gradient that is not aligned.
Outcome train() {
  OptimizerConfig config;
  config.weight_decay = 0.3;
  auto g = testing::generator(5);
  const at::Tensor matrix = at::randn({3, 30000}, g).set_requires_grad(true);
  const at::Tensor vector = at::randn({1003}, g).set_requires_grad(true);
  AdamW optimizer({matrix, vector}, config);
  Outcome outcome;
  for (int step = 0; step < 4; ++step) {
    matrix.mutable_grad() = at::randn({3, 30000}, g);
    vector.mutable_grad() = at::randn({1004}, g).narrow(0, 1, 1003);
    outcome.norm = optimizer.gradient_norm();
    const at::Tensor skip = at::full({}, step == 2 ? 1.0f : 0.0f);
    optimizer.step(1e-2, skip, 1.0 / outcome.norm);
  }
  const AdamW::State state = optimizer.state(0);
  outcome.matrix = matrix.detach().clone();
  outcome.vector = vector.detach().clone();
  outcome.m = state.exp_avg.clone();
  outcome.v = state.exp_avg_sq.clone();
  outcome.step = state.step.clone();
  return outcome;
}

TEST(Emulation, ClippedAdamWIsTheCpus) {
  const auto actual = emulate([] { return train().all(); });
  const auto expected = train().all();
  for (std::size_t i = 0; i < actual.size(); ++i)
    EXPECT_TRUE(near(actual[i], expected[i], 1e-6)) << i;
  EXPECT_EQ(actual[5].item<double>(), 3);
}

}  // namespace
}  // namespace gpt
