#include "gpt/kernels/ops/lm_head.h"

#include <cmath>

#include "gpt/device/memory.h"

#include "gpu.h"

namespace gpt {
namespace {

using testing::relative_distance;

class GpuLmHead : public testing::Gpu {
 protected:
  struct Result {
    at::Tensor loss, token_N, dx, dweight;
  };

  static Result run(const c10::Device& device, at::ScalarType type, const LmHeadOptions& options) {
    auto g = testing::generator(42);
    const auto leaf = [&](at::IntArrayRef shape) {
      return at::randn(shape, g, at::kDouble).to(device, type).set_requires_grad(true);
    };
    at::Tensor x = leaf({kTokens, kWidth}), weight = leaf({kVocab, kWidth});
    at::Tensor target = at::randint(kVocab, {kTokens}, g, at::kLong);
    target[5].fill_(-1);
    const LmHeadLoss head = lm_head_loss(x, weight, target.to(device), options);
    head.loss.backward();
    return {head.loss, head.token_N, x.grad(), weight.grad()};
  }

  static constexpr std::int64_t kTokens = 77, kWidth = 48, kVocab = 1009;
};

TEST_F(GpuLmHead, EqualsTheCpuForEveryChunk) {
  for (const auto& [type, tolerance] : {std::pair{at::kDouble, 1e-12}, {at::kFloat, 1e-5}}) {
    const Result expected = run(cpu_, type, {.scale = 1.0 / kTokens});
    for (const std::int64_t chunk : {1, 7, 76, 77, 1000, 0}) {
      const Result actual = run(cuda_, type, {.chunk = chunk, .scale = 1.0 / kTokens});
      EXPECT_LT(relative_distance(actual.loss, expected.loss), tolerance) << chunk;
      EXPECT_LT(relative_distance(actual.token_N, expected.token_N), tolerance) << chunk;
      EXPECT_LT(relative_distance(actual.dx, expected.dx), tolerance) << chunk;
      EXPECT_LT(relative_distance(actual.dweight, expected.dweight), tolerance) << chunk;
    }
  }
}

// bfloat16 has 2^-9 relative rounding, float16 2^-12; chunks must not add to it, since the
// weight's gradient is accumulated in float32.
TEST_F(GpuLmHead, LowPrecisionStaysNearFloat64AndChunksDoNotAddToIt) {
  const Result exact = run(cpu_, at::kDouble, {.scale = 1.0 / kTokens});
  for (const auto& [type, tolerance] : {std::pair{at::kBFloat16, 3e-2}, {at::kHalf, 4e-3}}) {
    const auto options = [type = type](std::int64_t chunk) {
      // Without the loss scale, float16 gradients of 1e-5 and less would lose bits.
      return LmHeadOptions{
          .chunk = chunk, .scale = 1.0 / kTokens, .gradient_scale = 1024, .compute_type = type};
    };
    for (const std::int64_t chunk : {0, 8}) {
      const Result actual = run(cuda_, at::kFloat, options(chunk));
      EXPECT_EQ(actual.dweight.scalar_type(), at::kFloat);
      EXPECT_LT(relative_distance(actual.loss, exact.loss), tolerance) << type << " " << chunk;
      EXPECT_LT(relative_distance(actual.dx / 1024, exact.dx), tolerance) << type << " " << chunk;
      EXPECT_LT(relative_distance(actual.dweight / 1024, exact.dweight), tolerance)
          << type << " " << chunk;
    }
  }
}

TEST_F(GpuLmHead, TargetOutsideTheVocabularyShowsAsNan) {
  const at::Tensor x = at::randn({4, 8}).to(cuda_), weight = at::randn({11, 8}).to(cuda_);
  const at::Tensor target = at::tensor({0, 11, 3, 10}, at::kLong).to(cuda_);
  const LmHeadLoss head = lm_head_loss(x, weight, target, {.chunk = 3});
  EXPECT_TRUE(std::isnan(head.loss.item<double>()));
  EXPECT_TRUE(std::isnan(head.token_N[1].item<double>()));
  EXPECT_TRUE(std::isfinite(head.token_N[3].item<double>()));
}

TEST_F(GpuLmHead, LogitsNeverExceedTheChunk) {
  constexpr std::int64_t kManyTokens = 8192, kManyWords = 50304, kChunk = 64;
  const auto options = at::TensorOptions().device(cuda_);
  at::Tensor x = at::randn({kManyTokens, 16}, options).set_requires_grad(true);
  at::Tensor weight = at::randn({kManyWords, 16}, options).set_requires_grad(true);
  const at::Tensor target = at::zeros({kManyTokens}, options.dtype(at::kLong));
  const std::uint64_t before = memory_use(cuda_).peak;
  lm_head_loss(x, weight, target, {.chunk = kChunk}).loss.backward();
  const auto whole = static_cast<std::uint64_t>(kManyTokens * kManyWords * 4);
  EXPECT_LT(memory_use(cuda_).peak - before, whole / 8);
}

}  // namespace
}  // namespace gpt
