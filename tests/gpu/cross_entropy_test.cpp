#include "gpt/kernels/ops/cross_entropy.h"

#include <cmath>

#include "gpu.h"

namespace gpt {
namespace {

using testing::near;

class GpuCrossEntropy : public testing::Gpu {
 protected:
  struct Outcome {
    at::Tensor logits_NV, loss_N;  // on the CPU; logits as they were left
  };

  Outcome kernel(const at::Tensor& logits, const at::Tensor& target, double scale = 0.25,
                 bool gradient = true) const {
    const at::Tensor on_gpu = logits.clone().to(cuda_);
    at::Tensor loss = at::full({target.size(0)}, 99, options(logits).device(cuda_));
    cross_entropy_({.logits_NV = on_gpu,
                    .target_N = target.to(cuda_),
                    .loss_N = loss,
                    .scale = scale,
                    .gradient = gradient});
    return {on_gpu.cpu(), loss.cpu()};
  }

  static Outcome plain(const at::Tensor& logits, const at::Tensor& target, double scale = 0.25) {
    const at::Tensor copy = logits.clone();
    const at::Tensor loss = at::empty({target.size(0)}, options(logits));
    plain_cross_entropy_({.logits_NV = copy, .target_N = target, .loss_N = loss, .scale = scale});
    return {copy, loss};
  }

  static at::TensorOptions options(const at::Tensor& logits) {
    return at::TensorOptions().dtype(logits.scalar_type() == at::kDouble ? at::kDouble
                                                                         : at::kFloat);
  }
};

TEST_F(GpuCrossEntropy, PaddingIsNotReadAndHasNoGradient) {
  auto g = testing::generator(4);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const auto& [vocab, stride] : {std::pair{65, 128}, {50257, 50304}}) {
      at::Tensor logits = at::randn({9, stride}, g).to(type);
      const at::Tensor words = logits.narrow(1, 0, vocab).contiguous();
      logits.narrow(1, vocab, stride - vocab).fill_(NAN);
      const at::Tensor target = at::randint(vocab, {9}, g, at::kLong);
      const at::Tensor on_gpu = logits.to(cuda_),
                       loss = at::empty({9}, at::TensorOptions().device(cuda_));
      cross_entropy_({.logits_NV = on_gpu,
                      .target_N = target.to(cuda_),
                      .loss_N = loss,
                      .scale = 0.25,
                      .vocab = vocab});
      const Outcome expected = plain(words, target);
      EXPECT_TRUE(near(loss.cpu(), expected.loss_N, 2e-6)) << type << " " << vocab;
      EXPECT_TRUE(near(on_gpu.cpu().narrow(1, 0, vocab), expected.logits_NV, 1e-3)) << type;
      EXPECT_EQ(on_gpu.narrow(1, vocab, stride - vocab).count_nonzero().item<int>(), 0) << type;
    }
  }
}

// Half types: both sides round the same float32 gradient, which may fall on two neighbours, so a
// unit in the last place of the largest element (at most `scale`) lies between them.
TEST_F(GpuCrossEntropy, EqualsThePlainOneInEveryTypeAndSize) {
  auto g = testing::generator(3);
  for (const auto& [type, loss_tolerance, gradient_tolerance] :
       {std::tuple{at::kDouble, 1e-12, 1e-13}, std::tuple{at::kFloat, 2e-6, 1e-6},
        std::tuple{at::kBFloat16, 2e-6, 1e-3}, std::tuple{at::kHalf, 2e-6, 1.3e-4}}) {
    for (const auto& [rows, vocab] :
         {std::pair{1, 1}, {5, 7}, {33, 511}, {17, 513}, {129, 65}, {3, 10007}, {65, 50304}}) {
      const at::Tensor logits = (at::randn({rows, vocab}, g, at::kDouble) * 4).to(type);
      const at::Tensor target = at::randint(vocab, {rows}, g, at::kLong);
      if (rows > 2) target[rows / 2].fill_(-1);
      const Outcome expected = plain(logits, target), actual = kernel(logits, target);
      EXPECT_TRUE(near(actual.loss_N, expected.loss_N, loss_tolerance))
          << type << " " << rows << "x" << vocab;
      EXPECT_TRUE(near(actual.logits_NV, expected.logits_NV, gradient_tolerance))
          << type << " " << rows << "x" << vocab;
    }
  }
}

TEST_F(GpuCrossEntropy, IgnoredRowsCostNothingAndTouchNothing) {
  const Outcome outcome = kernel(at::randn({3, 1000}), at::tensor({4, -1, 999}, at::kLong));
  EXPECT_EQ(outcome.loss_N[1].item<double>(), 0);
  EXPECT_EQ(outcome.logits_NV[1].abs().max().item<double>(), 0);
  EXPECT_GT(outcome.logits_NV[2].abs().max().item<double>(), 0);
}

TEST_F(GpuCrossEntropy, TargetOutOfRangeMakesItsRowsLossNanAndNoOther) {
  for (const std::int64_t wrong : {std::int64_t{50304}, std::int64_t{-2}, std::int64_t{1} << 40}) {
    const at::Tensor target = at::tensor({std::int64_t{7}, wrong, std::int64_t{50303}});
    const Outcome outcome = kernel(at::randn({3, 50304}), target);
    EXPECT_TRUE(std::isfinite(outcome.loss_N[0].item<double>()));
    EXPECT_TRUE(std::isnan(outcome.loss_N[1].item<double>())) << wrong;
    EXPECT_TRUE(std::isfinite(outcome.loss_N[2].item<double>()));
  }
}

TEST_F(GpuCrossEntropy, WithoutGradientTheLossIsTheSame) {
  const at::Tensor logits = at::randn({9, 3001}), target = at::arange(9);
  EXPECT_TRUE(
      at::equal(kernel(logits, target, 1, false).loss_N, kernel(logits, target, 1, true).loss_N));
}

TEST_F(GpuCrossEntropy, LargeLogitsAndNaNs) {
  const at::Tensor logits = at::randn({2, 700});
  logits[0].fill_(-1000);
  logits[0][5].fill_(1000);
  logits[1][650].fill_(NAN);
  const Outcome outcome = kernel(logits, at::tensor({5, 0}, at::kLong));
  EXPECT_EQ(outcome.loss_N[0].item<double>(), 0);
  EXPECT_TRUE(at::isfinite(outcome.logits_NV[0]).all().item<bool>());
  EXPECT_TRUE(std::isnan(outcome.loss_N[1].item<double>()));
}

}  // namespace
}  // namespace gpt
