// Every set of vector kernels that this CPU can run, against ATen in float64.
#include "gpt/kernels/cpu/row_kernels.h"

#include <gtest/gtest.h>

#include "support/instruction_sets.h"
#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::near;

class RowKernelsOn : public ::testing::TestWithParam<const RowKernels*> {
 protected:
  const RowKernels& kernels = *GetParam();
};

constexpr std::int64_t kSizes[] = {1, 5, 16, 33, 384, 1001};

float* data(const at::Tensor& tensor) {
  return tensor.mutable_data_ptr<float>();
}
Bf16* low(const at::Tensor& tensor) {
  return static_cast<Bf16*>(tensor.mutable_data_ptr());
}

TEST_P(RowKernelsOn, NormAndItsGradients) {
  for (const std::int64_t size : kSizes) {
    auto x = (at::randn({1, size}) * 3 + 2).requires_grad_();
    auto gamma = at::randn({size}).requires_grad_(), beta = at::randn({size}).requires_grad_();
    const at::Tensor dy = at::randn({1, size});
    auto exact_x = x.detach().to(at::kDouble).requires_grad_();
    auto exact_g = gamma.detach().to(at::kDouble).requires_grad_();
    auto exact_b = beta.detach().to(at::kDouble).requires_grad_();
    const at::Tensor exact = at::layer_norm(exact_x, {size}, exact_g, exact_b, 1e-5);
    exact.backward(dy.to(at::kDouble));
    at::Tensor y = at::empty({1, size}), dx = at::zeros({1, size});
    at::Tensor dgamma = at::zeros({size}), dbeta = at::zeros({size});
    float stats[2];
    kernels.norm(data(x), data(gamma), data(beta), size, stats, {.f32 = data(y)});
    kernels.norm_backward(data(dy), data(x), stats, data(gamma), size, data(dx), data(dgamma),
                          data(dbeta));
    EXPECT_TRUE(near(y, exact, 2e-6)) << size;
    // A row of one value has no variance: its gradient is rounding times 1/sqrt(1e-5).
    EXPECT_TRUE(near(dx, exact_x.grad(), size == 1 ? 1e-4 : 2e-6)) << size;
    EXPECT_TRUE(near(dgamma, exact_g.grad(), 2e-6)) << size;
    EXPECT_TRUE(near(dbeta, exact_b.grad(), 1e-7)) << size;
  }
}

TEST_P(RowKernelsOn, GeluAndItsSlope) {
  at::Tensor x = at::cat({at::linspace(-12, 12, 4001), at::tensor({-40.0f, 40.0f, 0.0f, 1e-6f})});
  const std::int64_t size = x.numel();
  for (const bool tanh : {false, true}) {
    auto exact_x = x.to(at::kDouble).requires_grad_();
    const at::Tensor exact = at::gelu(exact_x, tanh ? "tanh" : "none");
    exact.sum().backward();
    at::Tensor u = x.clone(), y = at::empty_like(x), slope = at::ones_like(x);
    kernels.gelu(data(u), nullptr, size, tanh, nullptr, {.f32 = data(y)});
    kernels.gelu_backward(data(slope), data(u), nullptr, size, tanh, {.f32 = data(slope)});
    EXPECT_LE((y - exact).abs().max().item<double>(), 6e-7) << tanh;
    EXPECT_LE((slope - exact_x.grad()).abs().max().item<double>(), 6e-7) << tanh;
    // Near 0 the result is small: relative there.
    const at::Tensor small = x.abs().lt(1).logical_and(x.ne(0));
    EXPECT_LE((y / exact - 1).masked_select(small).abs().max().item<double>(), 1e-6) << tanh;
  }
}

TEST_P(RowKernelsOn, GeluAddsTheBiasAndRoundsToBFloat16) {
  const std::int64_t size = 333;
  const at::Tensor x = at::randn({size}), bias = at::randn({size});
  for (const bool tanh : {false, true}) {
    at::Tensor u = x.clone(), kept = at::empty({size}, at::kBFloat16), y = at::empty_like(kept);
    kernels.gelu(data(u), data(bias), size, tanh, low(kept), {.bf16 = low(y)});
    EXPECT_TRUE(at::equal(kept, (x + bias).to(at::kBFloat16)));
    EXPECT_TRUE(near(y, at::gelu(kept.to(at::kFloat), tanh ? "tanh" : "none"), 4e-3));
    at::Tensor again = at::empty_like(y);
    kernels.gelu(nullptr, nullptr, size, tanh, low(kept), {.bf16 = low(again)});
    EXPECT_TRUE(at::equal(again, y));
  }
}

// What is computed again may be cut into rows otherwise: a value must not depend on whether it is
// in a whole vector or in the rest of a row.
TEST_P(RowKernelsOn, GeluAgainGivesTheSameBits) {
  const std::int64_t size = 333;
  const at::Tensor bias = at::randn({size});
  for (const bool tanh : {false, true}) {
    at::Tensor u = at::randn({size}) * 3, y = at::empty_like(u), again = at::empty_like(u);
    kernels.gelu(data(u), data(bias), size, tanh, nullptr, {.f32 = data(y)});
    for (std::int64_t i = 0; i < size; ++i)
      kernels.gelu(data(u) + i, nullptr, 1, tanh, nullptr, {.f32 = data(again) + i});
    EXPECT_TRUE(at::equal(again, y)) << tanh;
  }
}

TEST_P(RowKernelsOn, RoundsAsATenDoes) {
  at::Tensor x = at::randn({1000});
  x[3] = std::numeric_limits<float>::infinity();
  x[5] = 1.00390625f;  // between two bfloat16 numbers: to even
  x[6] = 1.01171875f;
  at::Tensor y = at::empty({1000}, at::kBFloat16);
  kernels.to_operand(data(x), 1000, {.bf16 = low(y)});
  EXPECT_TRUE(at::equal(y, x.to(at::kBFloat16)));
  x[7] = std::numeric_limits<float>::quiet_NaN();
  kernels.to_operand(data(x), 1000, {.bf16 = low(y)});
  EXPECT_TRUE(y[7].isnan().item<bool>());
}

TEST_P(RowKernelsOn, CopiesRowsThatLieApart) {
  const std::int64_t rows = 3, width = 21;
  const at::Tensor from = at::randn({rows, 40}), part = from.narrow(1, 0, width);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    at::Tensor to = at::full({rows, 24}, 7, type), expected = to.clone();
    expected.narrow(1, 0, width).copy_(part);
    const bool is_low = type == at::kBFloat16;
    kernels.rows_to_operand(data(from), 40, rows, width,
                            is_low ? Operand{.bf16 = low(to)} : Operand{.f32 = data(to)}, 24);
    EXPECT_TRUE(at::equal(to, expected)) << type;
  }
}

// Rows of attention: what lies beyond `size` is zero, and what lies beyond `padded` is another
// row's.
TEST_P(RowKernelsOn, SoftmaxAndItsGradient) {
  for (const std::int64_t size : kSizes) {
    const std::int64_t padded = size + size / 2;
    const at::Tensor s = at::randn({padded + 1}) * 20, dp = at::randn({padded + 1});
    const auto row = [size](const at::Tensor& t) { return t.narrow(0, 0, size); };
    const at::Tensor exact = at::softmax(row(s).to(at::kDouble) * 0.25, 0);
    at::Tensor p = s.clone(), again = s.clone(), ds = dp.clone();
    const float lse = kernels.softmax(data(p), size, padded, 0.25f, nullptr);
    kernels.softmax_backward(data(again), data(ds), size, padded, 0.25f, lse, nullptr, nullptr);
    EXPECT_TRUE(near(row(p), exact, 1e-6));
    EXPECT_TRUE(near(row(again), exact, 3e-6));
    // The gradient at the p that it has.
    const at::Tensor p64 = row(again).to(at::kDouble), dp64 = row(dp).to(at::kDouble);
    EXPECT_TRUE(near(row(ds), p64 * (dp64 - p64.dot(dp64)) * 0.25, 1e-6));
    EXPECT_NEAR(lse, at::logsumexp(row(s).to(at::kDouble) * 0.25, 0).item<double>(),
                2e-6 * std::abs(lse) + 1e-6);
    for (const at::Tensor& t : {p, again, ds})
      EXPECT_TRUE(t.narrow(0, size, padded - size).eq(0).all().item<bool>()) << size;
    EXPECT_TRUE(at::equal(p[padded], s[padded]) && at::equal(again[padded], s[padded]) &&
                at::equal(ds[padded], dp[padded]));
  }
}

TEST_P(RowKernelsOn, SoftmaxRoundsToBFloat16) {
  for (const std::int64_t size : kSizes) {
    const std::int64_t padded = size + size / 2;
    const at::Tensor s = at::randn({padded}), dp = at::randn({padded});
    at::Tensor p = s.clone(), again = s.clone(), ds = dp.clone();
    const float lse = kernels.softmax(data(p), size, padded, 0.25f, nullptr);
    kernels.softmax_backward(data(again), data(ds), size, padded, 0.25f, lse, nullptr, nullptr);
    const auto guarded = [padded] { return at::full({padded + 1}, 7, at::kBFloat16); };
    const auto same = [padded](const at::Tensor& rounded, const at::Tensor& t) {
      return at::equal(rounded.narrow(0, 0, padded), t.to(at::kBFloat16)) &&
             rounded[padded].item<float>() == 7;
    };
    at::Tensor p_low = guarded(), again_low = guarded(), ds_low = guarded(), only_ds = guarded();
    kernels.softmax(data(s.clone()), size, padded, 0.25f, low(p_low));
    kernels.softmax_backward(data(s.clone()), data(dp.clone()), size, padded, 0.25f, lse,
                             low(again_low), low(ds_low));
    at::Tensor kept = s.clone();
    kernels.softmax_backward(data(kept), data(dp.clone()), size, padded, 0.25f, lse, nullptr,
                             low(only_ds));
    EXPECT_TRUE(same(p_low, p) && same(again_low, again) && same(ds_low, ds)) << size;
    EXPECT_TRUE(same(only_ds, ds) && at::equal(kept, again)) << size;
  }
}

TEST_P(RowKernelsOn, CrossEntropyAndItsGradient) {
  for (const std::int64_t size : kSizes) {
    const at::Tensor logits = at::randn({size}) * 5;
    auto exact_x = logits.to(at::kDouble).requires_grad_();
    const at::Tensor exact = -at::log_softmax(exact_x, 0)[size / 2];
    exact.backward();
    at::Tensor x = logits.clone();
    const float loss = kernels.cross_entropy(data(x), size, size / 2, 0.5f, {.f32 = data(x)});
    EXPECT_NEAR(loss, exact.item<double>(), 2e-6 * (1 + loss));
    EXPECT_TRUE(near(x, exact_x.grad() * 0.5, 5e-7));
  }
}

TEST_P(RowKernelsOn, ANotANumberReachesTheResult) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  at::Tensor x = at::randn({40});
  x[17] = nan;
  EXPECT_TRUE(std::isnan(kernels.sum_of_squares(data(x), 40)));
  at::Tensor logits = x.clone(), y = at::empty({40});
  EXPECT_TRUE(std::isnan(kernels.cross_entropy(data(logits), 40, 3, 1, {})));
  at::Tensor scores = x.clone();
  kernels.softmax(data(scores), 40, 40, 1, nullptr);
  EXPECT_TRUE(scores.isnan().all().item<bool>());
  for (const bool tanh : {false, true}) {
    at::Tensor u = x.clone();
    kernels.gelu(data(u), nullptr, 40, tanh, nullptr, {.f32 = data(y)});
    EXPECT_TRUE(y[17].isnan().item<bool>());
  }
}

TEST_P(RowKernelsOn, SumsAndAdamW) {
  const std::int64_t size = 9001;
  const at::Tensor g = at::randn({size});
  EXPECT_NEAR(kernels.sum_of_squares(data(g), size),
              g.to(at::kDouble).square().sum().item<double>(), 1e-6 * size);
  at::Tensor p = at::randn({size}), m = at::randn({size}) * 0.1, v = at::rand({size}) * 0.1;
  const AdamWStep step{.learning_rate = 1e-2f,
                       .beta1 = 0.9f,
                       .beta2 = 0.95f,
                       .weight_decay = 0.1f,
                       .epsilon = 1e-8f,
                       .correction1 = 1 - 0.9f * 0.9f,
                       .correction2_root = std::sqrt(1 - 0.95f * 0.95f),
                       .gradient_scale = 0.5f};
  const at::Tensor gd = g.to(at::kDouble) * 0.5, md = m.to(at::kDouble) * 0.9 + gd * 0.1,
                   vd = v.to(at::kDouble) * 0.95 + gd * gd * 0.05;
  const at::Tensor expected =
      p.to(at::kDouble) * (1 - 1e-3) -
      1e-2 * (md / step.correction1) / (vd.sqrt() / step.correction2_root + 1e-8);
  kernels.adamw(data(p), data(g), data(m), data(v), size, step);
  EXPECT_TRUE(near(p, expected, 1e-6));
  EXPECT_TRUE(near(m, md, 1e-6));
  EXPECT_TRUE(near(v, vd, 1e-6));
}

// None where nothing can be emulated.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(RowKernelsOn);
INSTANTIATE_TEST_SUITE_P(Sets, RowKernelsOn, ::testing::ValuesIn(testing::row_kernel_ways()),
                         [](const auto& test) { return std::string(test.param->name); });

}  // namespace
}  // namespace gpt
