#include "gpt/kernels/ops/cross_entropy.h"

#include <gtest/gtest.h>

#include "kernels/cuda/online_softmax.h"
#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::near;

struct Expected {
  at::Tensor loss_N, dlogits_NV;
};

// PyTorch's own loss and its autograd, in float64.
Expected reference(const at::Tensor& logits, const at::Tensor& target, double scale) {
  at::Tensor x = logits.detach().to(at::kDouble).set_requires_grad(true);
  const at::Tensor loss =
      at::cross_entropy_loss(x, target, {}, at::Reduction::None, /*ignore_index=*/-1);
  (loss.sum() * scale).backward();
  return {loss.detach(), x.grad()};
}

TEST(CrossEntropy, EqualsPyTorchsInEveryType) {
  const at::Tensor target = at::tensor({0, 6, -1, 3, 2}, at::kLong);
  // bfloat16 has 8 bits: inputs are rounded before both sides see them, so only the result's own
  // rounding (2^-9 relative) separates them.
  for (const auto& [type, tolerance] :
       {std::pair{at::kDouble, 1e-13}, {at::kFloat, 1e-6}, {at::kBFloat16, 4e-3}}) {
    const at::Tensor logits = (at::randn({5, 7}, at::kDouble) * 4).to(type);
    const Expected expected = reference(logits, target, 0.125);
    at::Tensor inplace = logits.clone();
    at::Tensor loss = at::full({5}, 99, type == at::kDouble ? at::kDouble : at::kFloat);
    cross_entropy_({.logits_NV = inplace, .target_N = target, .loss_N = loss, .scale = 0.125});
    EXPECT_TRUE(near(loss, expected.loss_N, type == at::kDouble ? 1e-13 : 1e-6)) << type;
    EXPECT_TRUE(near(inplace, expected.dlogits_NV, tolerance)) << type;
  }
}

TEST(CrossEntropy, PaddingIsNotReadAndHasNoGradient) {
  const at::Tensor target = at::tensor({0, 6, -1}, at::kLong);
  for (const at::ScalarType type : {at::kDouble, at::kFloat, at::kBFloat16}) {
    const at::ScalarType real = type == at::kDouble ? at::kDouble : at::kFloat;
    at::Tensor padded = at::full({3, 12}, NAN, type), loss = at::empty({3}, real);
    padded.narrow(1, 0, 7).normal_();
    const at::Tensor logits = padded.narrow(1, 0, 7).contiguous(), alone = at::empty({3}, real);
    cross_entropy_({.logits_NV = padded, .target_N = target, .loss_N = loss, .vocab = 7});
    cross_entropy_({.logits_NV = logits, .target_N = target, .loss_N = alone});
    EXPECT_TRUE(at::equal(loss, alone)) << type;
    EXPECT_TRUE(at::equal(padded.narrow(1, 0, 7), logits)) << type;
    EXPECT_EQ(padded.narrow(1, 7, 5).count_nonzero().item<int>(), 0) << type;
  }
  at::Tensor logits = at::zeros({1, 12}), loss = at::empty({1});
  EXPECT_THROW(cross_entropy_({.logits_NV = logits,
                               .target_N = at::full({1}, 7, at::kLong),
                               .loss_N = loss,
                               .vocab = 7}),
               c10::IndexError)
      << "a word of the padding";
}

TEST(CrossEntropy, LargeLogitsDoNotOverflow) {
  at::Tensor logits = at::tensor({1000.0f, 999.0f, -1000.0f}).view({1, 3});
  at::Tensor loss = at::empty({1});
  cross_entropy_({.logits_NV = logits, .target_N = at::zeros({1}, at::kLong), .loss_N = loss});
  EXPECT_NEAR(loss.item<double>(), std::log1p(std::exp(-1.0)), 1e-6);
  EXPECT_TRUE(at::isfinite(logits).all().item<bool>());
}

TEST(CrossEntropy, TargetsOutOfRangeAreAnError) {
  for (const std::int64_t wrong : {std::int64_t{3}, std::int64_t{-2}, std::int64_t{1} << 40}) {
    at::Tensor logits = at::zeros({2, 3}), loss = at::empty({2});
    const at::Tensor target = at::tensor({std::int64_t{1}, wrong});
    try {
      cross_entropy_({.logits_NV = logits, .target_N = target, .loss_N = loss});
      FAIL() << wrong;
    } catch (const c10::IndexError& error) {
      EXPECT_NE(std::string(error.what()).find("of row 1 is outside the vocabulary of 3"),
                std::string::npos)
          << error.what();
    }
  }
}

// What the CUDA kernel's lanes do, played on the CPU: strided reads, merged in a tree.
TEST(OnlineSoftmax, LanesMergeToTheRowsMaximumAndSum) {
  for (const int lanes : {1, 2, 32, 512}) {
    const at::Tensor row = at::randn({1000}) * 10;
    std::vector<SoftmaxStats> lane(static_cast<std::size_t>(lanes), {-INFINITY, 0});
    for (int i = 0; i < 1000; ++i) {
      auto& mine = lane[static_cast<std::size_t>(i % lanes)];
      mine = include(mine, row[i].item<float>());
    }
    for (int width = lanes / 2; width > 0; width /= 2)
      for (int i = 0; i < width; ++i)
        lane[static_cast<std::size_t>(i)] =
            merge(lane[static_cast<std::size_t>(i)], lane[static_cast<std::size_t>(i + width)]);
    EXPECT_EQ(lane[0].max, row.max().item<float>());
    const double log_sum = std::log(static_cast<double>(lane[0].sum)) + lane[0].max;
    EXPECT_NEAR(log_sum, at::logsumexp(row.to(at::kDouble), 0).item<double>(), 1e-5) << lanes;
  }
}

TEST(OnlineSoftmax, EmptyLanesAndNaNs) {
  const SoftmaxStats empty{-INFINITY, 0}, one{2.0f, 1.0f};
  EXPECT_EQ(merge(empty, empty).sum, 0.0f);
  EXPECT_EQ(merge(empty, one).sum, 1.0f);
  EXPECT_TRUE(std::isnan(merge(one, {NAN, 1.0f}).sum));
  EXPECT_TRUE(std::isnan(merge({NAN, 1.0f}, one).sum));
}

}  // namespace
}  // namespace gpt
