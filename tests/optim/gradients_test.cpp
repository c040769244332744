#include "gpt/optim/gradients.h"

#include <gtest/gtest.h>

#include "support/tensor_near.h"

namespace gpt {
namespace {

TEST(Gradients, NormIsOverAllTensors) {
  const std::vector<at::Tensor> grads{at::full({2, 2}, 3.0), at::full({7}, 4.0)};
  EXPECT_NEAR(gradient_norm(grads).item<double>(), std::sqrt(4 * 9.0 + 7 * 16.0), 1e-5);
}

TEST(Gradients, ClippingScalesDownToTheLimit) {
  const at::Tensor factor = clip_factor(at::full({}, 4.0), 0.5);
  EXPECT_NEAR(factor.item<double>(), 0.125, 1e-6);
}

TEST(Gradients, ClippingLeavesSmallOnesAlone) {
  EXPECT_EQ(clip_factor(at::full({}, 0.99f), 1.0).item<double>(), 1);
}

TEST(Gradients, NonFiniteIsFound) {
  const auto found = [](double a, double b) {
    return any_non_finite({at::scalar_tensor(a), at::scalar_tensor(b)}).item<double>();
  };
  EXPECT_EQ(found(1, -3), 0);
  EXPECT_EQ(found(1, NAN), 1);
  EXPECT_EQ(found(INFINITY, 0), 1);
}

}  // namespace
}  // namespace gpt
