#include "gpt/optim/gradients.h"

#include <gtest/gtest.h>

#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::near;

TEST(Gradients, NormIsOverAllTensors) {
  const std::vector<at::Tensor> grads{at::full({2, 2}, 3.0), at::full({7}, 4.0)};
  EXPECT_NEAR(gradient_norm(grads).item<double>(), std::sqrt(4 * 9.0 + 7 * 16.0), 1e-5);
}

TEST(Gradients, ClippingScalesDownToTheLimit) {
  std::vector<at::Tensor> grads{at::randn({30}), at::randn({5, 5})};
  const at::Tensor direction = grads[0].clone() / gradient_norm(grads);
  clip_gradients(grads, gradient_norm(grads), 0.5);
  EXPECT_NEAR(gradient_norm(grads).item<double>(), 0.5, 1e-5);
  EXPECT_TRUE(near(grads[0], direction * 0.5, 1e-5));
}

TEST(Gradients, ClippingLeavesSmallOnesAlone) {
  std::vector<at::Tensor> grads{at::full({4}, 0.01f)};
  const at::Tensor before = grads[0].clone();
  clip_gradients(grads, gradient_norm(grads), 1.0);
  EXPECT_TRUE(at::equal(grads[0], before));
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
