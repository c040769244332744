// AdamW and the gradient norm on the CPU's threads against the formula in float64.
#include "gpt/kernels/cpu/parameter_update.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/tensor_near.h"
#include "support/thread_count.h"

namespace gpt {
namespace {

constexpr UpdateRates kRates{.learning_rate = 3e-3, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};

// Sizes around those of a piece, and one element.
std::vector<UpdatedParameter> parameters() {
  auto generator = testing::generator(11);
  std::vector<UpdatedParameter> all;
  for (const std::int64_t size : {1, 8191, 8192, 8193, 30000, 7}) {
    const auto normal = [&] { return at::randn({size}, generator); };
    all.push_back({.parameter = normal(),
                   .gradient = normal(),
                   .exp_avg = normal() * 0.1,
                   .exp_avg_sq = normal().square(),
                   .step = at::full({}, static_cast<double>(1 + size % 5)),
                   .weight_decay = size > 8191 ? 0.1 : 0});
  }
  return all;
}

struct Expected {
  at::Tensor parameter, exp_avg, exp_avg_sq;
};

// Loshchilov and Hutter 2019, algorithm 2.
Expected expected(const UpdatedParameter& p, double factor) {
  const at::Tensor g = p.gradient.to(at::kDouble) * factor;
  const double step = p.step.item<double>();
  Expected e{
      .parameter = {},
      .exp_avg = p.exp_avg.to(at::kDouble) * kRates.beta1 + g * (1 - kRates.beta1),
      .exp_avg_sq = p.exp_avg_sq.to(at::kDouble) * kRates.beta2 + g.square() * (1 - kRates.beta2)};
  const at::Tensor mean = e.exp_avg / (1 - std::pow(kRates.beta1, step));
  const at::Tensor square = e.exp_avg_sq / (1 - std::pow(kRates.beta2, step));
  e.parameter = p.parameter.to(at::kDouble) * (1 - kRates.learning_rate * p.weight_decay) -
                kRates.learning_rate * mean / (square.sqrt() + kRates.epsilon);
  return e;
}

class CpuUpdate : public ::testing::TestWithParam<int> {  // threads
 protected:
  const testing::ThreadCount threads_{GetParam()};
};

TEST_P(CpuUpdate, IsThePapers) {
  const auto all = parameters();
  std::vector<Expected> want;
  for (const UpdatedParameter& p : all) want.push_back(expected(p, 0.37));
  cpu_adamw(all, kRates, at::full({}, 0.37), at::zeros({}));
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(testing::near(all[i].parameter, want[i].parameter, 1e-6)) << i;
    EXPECT_TRUE(testing::near(all[i].exp_avg, want[i].exp_avg, 1e-6)) << i;
    EXPECT_TRUE(testing::near(all[i].exp_avg_sq, want[i].exp_avg_sq, 2e-6)) << i;
  }
}

TEST_P(CpuUpdate, ASkippedOneWritesNothing) {
  const auto all = parameters(), before = parameters();
  cpu_adamw(all, kRates, at::full({}, std::nan("")), at::ones({}));
  for (std::size_t i = 0; i < all.size(); ++i) {
    EXPECT_TRUE(at::equal(all[i].parameter, before[i].parameter)) << i;
    EXPECT_TRUE(at::equal(all[i].exp_avg, before[i].exp_avg)) << i;
  }
}

TEST_P(CpuUpdate, TheNormIsThatOfAllGradients) {
  const auto all = parameters();
  std::vector<at::Tensor> gradients;
  double squares = 0;
  for (const UpdatedParameter& p : all) {
    gradients.push_back(p.gradient);
    squares += p.gradient.to(at::kDouble).square().sum().item<double>();
  }
  EXPECT_NEAR(cpu_gradient_norm(gradients).item<double>() / std::sqrt(squares), 1, 1e-6);
  gradients[3][8192] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(std::isfinite(cpu_gradient_norm(gradients).item<double>()));
}

TEST_P(CpuUpdate, GradientsThatAreNoPlainRowsAreAnError) {
  auto all = parameters();
  all[3].gradient = at::randn({8193, 2}).select(1, 0);
  EXPECT_THROW(cpu_adamw(all, kRates, {}, at::zeros({})), c10::Error);
  EXPECT_THROW(cpu_gradient_norm({all[3].gradient}), c10::Error);
}

INSTANTIATE_TEST_SUITE_P(Threads, CpuUpdate, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace gpt
