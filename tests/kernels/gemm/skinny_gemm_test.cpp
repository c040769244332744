#include "gpt/kernels/gemm/skinny_gemm.h"

#include <gtest/gtest.h>

#include "support/tensor_near.h"

namespace gpt {
namespace {

struct Case {
  at::Tensor x_NI, weight_OI, bias_O;
};

Case make_case(std::int64_t rows, std::int64_t inputs, std::int64_t outputs, at::ScalarType type) {
  auto g = testing::generator(7);
  return {at::randn({rows, inputs}, g), at::randn({outputs, inputs}, g).to(type),
          at::randn({outputs}, g)};
}

// The largest error as a share of the terms' absolute sum, which is what rounding scales with.
double error_share(const at::Tensor& y_NO, const Case& c, bool bias) {
  const at::Tensor x = c.x_NI.to(at::kDouble), w = c.weight_OI.to(at::kDouble),
                   b = c.bias_O.to(at::kDouble) * (bias ? 1.0 : 0.0);
  const at::Tensor error = (y_NO.to(at::kDouble) - at::linear(x, w, b)).abs();
  return (error / at::linear(x.abs(), w.abs(), b.abs())).max().item<double>();
}

// Every width of a vector leaves a rest for some of these; 1 to 9 rows cross every block of rows.
TEST(SkinnyLinear, EqualsLinearInFloat64) {
  // A missing or wrong term would be a share of 1e-3; roundings of sums this short reach 2e-7.
  constexpr double kRoundings = 4 * 6e-8;
  for (const auto type : {at::kFloat, at::kBFloat16})
    for (const std::int64_t inputs : {1, 7, 16, 31, 64, 100, 768})
      for (const std::int64_t outputs : {1, 3, 4, 6, 97})
        for (const std::int64_t rows : {1, 2, 3, 4, 5, 9}) {
          const Case c = make_case(rows, inputs, outputs, type);
          const at::Tensor with = skinny_linear(c.x_NI, c.weight_OI, c.bias_O);
          EXPECT_LT(error_share(with, c, true), kRoundings)
              << type << " " << inputs << " " << outputs << " " << rows;
          EXPECT_LT(error_share(skinny_linear(c.x_NI, c.weight_OI, {}), c, false), kRoundings);
        }
}

TEST(SkinnyLinear, ARowDoesNotDependOnTheOthers) {
  for (const auto type : {at::kFloat, at::kBFloat16})
    for (const std::int64_t inputs : {33, 256}) {
      const Case c = make_case(11, inputs, 70, type);
      const at::Tensor all = skinny_linear(c.x_NI, c.weight_OI, c.bias_O);
      for (std::int64_t n = 0; n < 11; ++n)
        EXPECT_TRUE(
            skinny_linear(c.x_NI.narrow(0, n, 1), c.weight_OI, c.bias_O).equal(all.narrow(0, n, 1)))
            << type << " row " << n;
    }
}

TEST(SkinnyLinear, NoRowsAndNoInputs) {
  EXPECT_EQ(skinny_linear(at::empty({0, 5}), at::ones({3, 5}), {}).sizes(),
            at::IntArrayRef({0, 3}));
  EXPECT_TRUE(
      skinny_linear(at::empty({2, 0}), at::empty({3, 0}), at::ones({3})).equal(at::ones({2, 3})));
}

TEST(SkinnyLinear, RefusesWhatDoesNotFit) {
  EXPECT_THROW(skinny_linear(at::ones({1, 4}), at::ones({3, 5}), {}), c10::Error);
  EXPECT_THROW(skinny_linear(at::ones({1, 5}), at::ones({3, 5}), at::ones({2})), c10::Error);
  EXPECT_THROW(skinny_linear(at::ones({1, 5}), at::ones({5, 3}).t(), {}), c10::Error);
  EXPECT_THROW(skinny_linear(at::ones({1, 5}).to(at::kDouble), at::ones({3, 5}), {}), c10::Error);
}

TEST(SkinnyLinear, PaysOnTheCpuForAFewRows) {
  EXPECT_TRUE(skinny_linear_is_faster(1, at::ones({4, 4})));
  EXPECT_FALSE(skinny_linear_is_faster(64, at::ones({4, 4})));
  EXPECT_TRUE(skinny_linear_is_faster(1, at::ones({4, 4}, at::kBFloat16)));
  EXPECT_FALSE(skinny_linear_is_faster(1, at::ones({4, 4}, at::kDouble)));
}

}  // namespace
}  // namespace gpt
