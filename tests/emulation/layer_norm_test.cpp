#include "gpt/kernels/ops/layer_norm.h"

#include "emulated.h"

namespace gpt {
namespace {

using testing::emulate;
using testing::kTypes;
using testing::near;
using testing::rounding;

struct Case {
  std::int64_t rows, width;
  bool branch, bias;
  double p;
};

// Widths: less than a warp, odd, whole packs, too wide for the shared memory of the forward kernel
// (1600) and of the backward one (6500 float32, 3300 float64).
constexpr Case kCases[] = {{1, 1, true, true, 0},      {6, 5, true, false, 0.25},
                           {26, 64, true, true, 0.25}, {9, 132, false, true, 0},
                           {4, 1600, true, true, 0},   {2, 3300, true, false, 0.25},
                           {3, 6500, true, true, 0},   {2, 6503, true, true, 0.25}};

at::Tensor random(at::IntArrayRef shape, at::ScalarType type) {
  return at::randn(shape, at::kDouble).to(type);
}

RowDropout dropout_of(const Case& c) {
  const std::int64_t sequences = c.rows % 2 == 0 ? 2 : 1;
  return {.p = c.p,
          .sequence_B = at::arange(3, 3 + sequences),
          .tokens = c.rows / sequences,
          .place = {.seed = 11, .step = 2, .layer = 1, .site = 1}};
}

TEST(Emulation, AddLayerNormEqualsTheReference) {
  for (const at::ScalarType type : kTypes) {
    const at::ScalarType real = type == at::kDouble ? at::kDouble : at::kFloat;
    for (const Case& c : kCases) {
      NormInput in;
      in.x_NC = random({c.rows, c.width}, real) * 2 + 1;
      if (c.branch) {
        in.branch_NC = random({c.rows, c.width}, type);
        in.dropout = dropout_of(c);
      }
      in.weight_C = random({c.width}, real);
      if (c.bias) in.bias_C = random({c.width}, real);
      in.type = type;
      const auto actual = emulate([&] {
        const NormOutput out = add_layer_norm(in);
        return std::vector{out.sum_NC, out.y_NC, out.mean_N, out.rstd_N};
      });
      const NormOutput expected = plain_add_layer_norm(in);
      const double exact = type == at::kDouble ? 1e-12 : 3e-6;
      EXPECT_TRUE(near(actual[0], expected.sum_NC, exact)) << type << " " << c.width;
      EXPECT_TRUE(near(actual[1], expected.y_NC, rounding(type))) << type << " " << c.width;
      EXPECT_TRUE(near(actual[2], expected.mean_N, exact)) << type << " " << c.width;
      EXPECT_TRUE(near(actual[3], expected.rstd_N, 3 * exact)) << type << " " << c.width;
    }
  }
}

TEST(Emulation, LayerNormBackwardEqualsTheReference) {
  for (const at::ScalarType type : kTypes) {
    const at::ScalarType real = type == at::kDouble ? at::kDouble : at::kFloat;
    for (const Case& c : kCases) {
      const at::Tensor x = random({c.rows, c.width}, real), dx = random({c.rows, c.width}, real);
      NormInput before;
      before.x_NC = x;
      before.weight_C = random({c.width}, real);
      before.type = type;
      const NormOutput forward = plain_add_layer_norm(before);
      NormGradient in{.dy_NC = random({c.rows, c.width}, type),
                      .x_NC = x,
                      .mean_N = forward.mean_N,
                      .rstd_N = forward.rstd_N,
                      .weight_C = random({c.width}, real),
                      .accumulate = c.bias,
                      .branch = c.branch,
                      .dropout = dropout_of(c)};
      const auto run = [&] {
        in.dx_NC = dx.clone();
        in.dweight_C = at::ones({c.width}, real);
        in.dbias_C = c.bias ? at::ones({c.width}, real) : at::Tensor();
        const at::Tensor dbranch = layer_norm_backward_(in);
        return std::vector{in.dx_NC, in.dweight_C, in.dbias_C, dbranch};
      };
      const auto actual = emulate(run), expected = run();
      const double exact = type == at::kDouble ? 1e-12 : 1e-5;
      EXPECT_TRUE(near(actual[0], expected[0], exact)) << type << " " << c.width;
      EXPECT_TRUE(near(actual[1], expected[1], exact)) << type << " " << c.width;
      if (c.bias) {
        EXPECT_TRUE(near(actual[2], expected[2], exact)) << type << " " << c.width;
      }
      ASSERT_EQ(actual[3].defined(), c.branch);
      if (c.branch) {
        EXPECT_TRUE(near(actual[3], expected[3], rounding(type))) << c.width;
      }
    }
  }
}

}  // namespace
}  // namespace gpt
