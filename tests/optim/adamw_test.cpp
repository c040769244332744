#include "gpt/optim/adamw.h"

#include <gtest/gtest.h>

#include "gpt/device/cpu_memory.h"

#include "support/tensor_near.h"

namespace gpt {

static void PrintTo(Offload offload, std::ostream* out) {
  *out << offload_name(offload);
}

namespace {

using testing::near;

// Algorithm 2 of Loshchilov and Hutter, one tensor, float64.
struct Reference {
  at::Tensor p, m, v;
  int t = 0;
  explicit Reference(const at::Tensor& start)
      : p(start.detach().to(at::kDouble).clone()), m(at::zeros_like(p)), v(at::zeros_like(p)) {}
  void step(const at::Tensor& grad, double lr, const OptimizerConfig& c, double decay) {
    const at::Tensor g = grad.to(at::kDouble);
    ++t;
    p = p * (1 - lr * decay);
    m = c.beta1 * m + (1 - c.beta1) * g;
    v = c.beta2 * v + (1 - c.beta2) * g * g;
    const at::Tensor m_hat = m / (1 - std::pow(c.beta1, t)), v_hat = v / (1 - std::pow(c.beta2, t));
    p = p - lr * m_hat / (v_hat.sqrt() + 1e-8);
  }
};

TEST(AdamW, FollowsThePaperWithTwoGroups) {
  OptimizerConfig config;
  config.weight_decay = 0.3;
  const at::Tensor matrix = at::randn({7, 5}).set_requires_grad(true);
  const at::Tensor vector = at::randn({5}).set_requires_grad(true);
  AdamW optimizer({matrix, vector}, config);
  const auto groups = optimizer.groups();
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].name, "decayed");
  EXPECT_EQ(groups[0].parameters, matrix.numel());
  EXPECT_EQ(groups[1].parameters, vector.numel());
  EXPECT_EQ(optimizer.state_bytes(), 4 * (2 * (35 + 5) + 2));
  Reference a(matrix), b(vector);
  for (int i = 0; i < 20; ++i) {
    const double lr = 1e-2 / (1 + i);
    matrix.mutable_grad() = at::randn({7, 5});
    vector.mutable_grad() = at::randn({5});
    a.step(matrix.grad(), lr, config, 0.3);
    b.step(vector.grad(), lr, config, 0.0);
    optimizer.step(lr, at::zeros({}));
  }
  EXPECT_TRUE(near(matrix, a.p, 1e-6));
  EXPECT_TRUE(near(vector, b.p, 1e-6));
  EXPECT_TRUE(near(optimizer.state(0).exp_avg, a.m, 1e-6));
  EXPECT_TRUE(near(optimizer.state(1).exp_avg_sq, b.v, 1e-6));
  EXPECT_EQ(optimizer.state(0).step.item<double>(), 20);
}

TEST(AdamW, SkippedStepLeavesEverythingAsItWas) {
  const at::Tensor matrix = at::randn({4, 4}).set_requires_grad(true);
  AdamW optimizer({matrix}, {});
  matrix.mutable_grad() = at::randn({4, 4});
  optimizer.step(1e-2, at::zeros({}));
  const at::Tensor before = matrix.detach().clone(), m = optimizer.state(0).exp_avg.clone(),
                   v = optimizer.state(0).exp_avg_sq.clone();
  matrix.mutable_grad() = at::full({4, 4}, std::numeric_limits<float>::quiet_NaN());
  optimizer.step(1e-2, at::ones({}));
  EXPECT_TRUE(at::equal(matrix, before));
  EXPECT_TRUE(at::equal(optimizer.state(0).exp_avg, m));
  EXPECT_TRUE(at::equal(optimizer.state(0).exp_avg_sq, v));
  EXPECT_EQ(optimizer.state(0).step.item<double>(), 1);
}

TEST(AdamW, MissingGradientIsAnError) {
  AdamW optimizer({at::randn({2, 2}).set_requires_grad(true)}, {});
  EXPECT_THROW(optimizer.step(1e-3, at::zeros({})), c10::Error);
}

// Parameters of sizes that fit no buffer and no vector register.
std::vector<at::Tensor> odd_parameters() {
  auto g = testing::generator(3);
  std::vector<at::Tensor> list;
  using Shape = std::vector<std::int64_t>;
  for (const Shape& shape : {Shape{37, 53}, {1000}, {3}, {129, 7}, {1, 1}})
    list.push_back(at::randn(shape, g).set_requires_grad(true));
  return list;
}

class OffloadedAdamW : public ::testing::TestWithParam<Offload> {};

TEST_P(OffloadedAdamW, GivesTheSameBits) {
  const Offload offload = GetParam();
  for (const std::int64_t buffer : {1, 200, 2048, 1 << 20}) {
    const auto a = odd_parameters(), b = odd_parameters();
    AdamW resident(a, {}), streamed(b, {}, offload, buffer);
    for (int i = 0; i < 5; ++i) {
      auto g = testing::generator(static_cast<std::uint64_t>(i));
      for (std::size_t p = 0; p < a.size(); ++p) {
        a[p].mutable_grad() = at::randn(a[p].sizes(), g);
        b[p].mutable_grad() = a[p].grad().clone();
      }
      const at::Tensor skip = at::full({}, i == 3 ? 1.0 : 0.0);
      resident.step(1e-2, skip);
      streamed.step(1e-2, skip);
    }
    for (std::size_t p = 0; p < a.size(); ++p) {
      const AdamW::State x = resident.state(p), y = streamed.state(p);
      EXPECT_TRUE(at::equal(a[p], b[p])) << p << " with a buffer of " << buffer;
      EXPECT_TRUE(at::equal(x.exp_avg, y.exp_avg)) << p;
      EXPECT_TRUE(at::equal(x.exp_avg_sq, y.exp_avg_sq)) << p;
      EXPECT_EQ(y.step.item<double>(), 4) << p;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, OffloadedAdamW,
                         ::testing::Values(Offload::kMoments, Offload::kWeights),
                         [](const auto& level) { return offload_name(level.param); });

// Half an update cannot be taken back, so nothing in it may need memory.
TEST(AdamW, AStepAllocatesNothing) {
  install_cpu_memory();
  for (const Offload offload : kOffloadLevels) {
    const auto parameters = odd_parameters();
    AdamW optimizer(parameters, {}, offload, 300);
    for (const at::Tensor& parameter : parameters)
      parameter.mutable_grad() = at::ones_like(parameter);
    const at::Tensor skip = at::zeros({});
    const std::int64_t before = cpu_allocations();
    optimizer.step(1e-3, skip);
    EXPECT_EQ(cpu_allocations(), before);
  }
}

}  // namespace
}  // namespace gpt
