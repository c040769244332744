#include "gpt/kernels/ops/lm_head.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "support/peak_memory.h"
#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::near;
using testing::PeakMemory;

struct Case {
  at::Tensor x, weight, target;
};

Case make_case(std::int64_t tokens, std::int64_t width, std::int64_t vocab, at::ScalarType type) {
  auto g = testing::generator(42);
  Case c{at::randn({tokens, width}, g, type), at::randn({vocab, width}, g, type),
         at::randint(vocab, {tokens}, g, at::kLong)};
  c.x.set_requires_grad(true);
  c.weight.set_requires_grad(true);
  return c;
}

struct Result {
  at::Tensor loss, dx, dweight;
};

Result chunked(const Case& c, const LmHeadOptions& options) {
  at::Tensor x = c.x.detach().clone().set_requires_grad(true);
  at::Tensor weight = c.weight.detach().clone().set_requires_grad(true);
  const LmHeadLoss head = lm_head_loss(x, weight, c.target, options);
  head.loss.backward();
  return {head.loss.detach(), x.grad(), weight.grad()};
}

Result plain(const Case& c, double scale) {
  at::Tensor x = c.x.detach().clone().set_requires_grad(true);
  at::Tensor weight = c.weight.detach().clone().set_requires_grad(true);
  const at::Tensor loss =
      at::cross_entropy_loss(at::linear(x, weight), c.target, {}, at::Reduction::Sum, -1) * scale;
  loss.backward();
  return {loss.detach(), x.grad(), weight.grad()};
}

TEST(LmHead, EqualsCrossEntropyOfLinear) {
  for (const auto& [type, tolerance] : {std::pair{at::kDouble, 1e-10}, {at::kFloat, 1e-6}}) {
    const Case c = make_case(37, 16, 101, type);
    c.target[5].fill_(-1);
    c.target[36].fill_(-1);
    const Result expected = plain(c, 1.0 / 37);
    for (const std::int64_t chunk : {1, 7, 36, 37, 1000, 0}) {
      const Result actual = chunked(c, {.chunk = chunk, .scale = 1.0 / 37});
      EXPECT_TRUE(near(actual.loss, expected.loss, tolerance)) << chunk;
      EXPECT_TRUE(near(actual.dx, expected.dx, tolerance)) << chunk;
      EXPECT_TRUE(near(actual.dweight, expected.dweight, tolerance)) << chunk;
    }
  }
}

TEST(LmHead, TokenLossesAreEachTokensOwn) {
  const Case c = make_case(9, 4, 11, at::kDouble);
  c.target[3].fill_(-1);
  const LmHeadLoss head = lm_head_loss(c.x, c.weight, c.target, {.chunk = 4, .scale = 0.5});
  const at::Tensor expected =
      at::cross_entropy_loss(at::linear(c.x, c.weight), c.target, {}, at::Reduction::None, -1);
  EXPECT_TRUE(near(head.token_N, expected, 1e-12));
  EXPECT_FALSE(head.token_N.requires_grad());
  EXPECT_NEAR(head.loss.item<double>(), 0.5 * expected.sum().item<double>(), 1e-12);
}

TEST(LmHead, WithoutGradModeTheLossIsTheSame) {
  const Case c = make_case(20, 8, 33, at::kFloat);
  const LmHeadOptions options{.chunk = 6, .scale = 1.0 / 20};
  const double trained = lm_head_loss(c.x, c.weight, c.target, options).loss.item<double>();
  const at::NoGradGuard no_grad;
  const LmHeadLoss evaluated = lm_head_loss(c.x, c.weight, c.target, options);
  EXPECT_EQ(evaluated.loss.item<double>(), trained);
  EXPECT_FALSE(evaluated.loss.requires_grad());
}

TEST(LmHead, GradientScaleTouchesOnlyGradients) {
  const Case c = make_case(12, 8, 33, at::kDouble);
  const Result once = chunked(c, {.chunk = 5, .scale = 0.1});
  const Result scaled = chunked(c, {.chunk = 5, .scale = 0.1, .gradient_scale = 1024});
  EXPECT_EQ(once.loss.item<double>(), scaled.loss.item<double>());
  EXPECT_TRUE(near(scaled.dx, once.dx * 1024, 1e-12));
  EXPECT_TRUE(near(scaled.dweight, once.dweight * 1024, 1e-12));
}

TEST(LmHead, GradientFromAboveIsMultipliedIn) {
  const Case c = make_case(6, 4, 9, at::kDouble);
  (lm_head_loss(c.x, c.weight, c.target, {.scale = 1}).loss * 3).backward();
  const Result once = chunked(c, {.scale = 1});
  EXPECT_TRUE(near(c.x.grad(), once.dx * 3, 1e-12));
  EXPECT_TRUE(near(c.weight.grad(), once.dweight * 3, 1e-12));
}

// Gradients of the weight survive many small chunks: float32 accumulation, bfloat16 products.
TEST(LmHead, LowPrecisionStaysNearFloat64) {
  const Case exact = make_case(256, 32, 64, at::kDouble);
  const Result expected = plain(exact, 1.0 / 256);
  Case c{exact.x.detach().to(at::kFloat), exact.weight.detach().to(at::kFloat), exact.target};
  const auto relative = [&](const LmHeadOptions& options) {
    const at::Tensor dweight = chunked(c, options).dweight.to(at::kDouble);
    EXPECT_EQ(chunked(c, options).dweight.scalar_type(), at::kFloat);
    return ((dweight - expected.dweight).norm() / expected.dweight.norm()).item<double>();
  };
  const double whole = relative({.scale = 1.0 / 256, .compute_type = at::kBFloat16});
  const double pieces = relative({.chunk = 4, .scale = 1.0 / 256, .compute_type = at::kBFloat16});
  EXPECT_LT(whole, 1e-2);
  EXPECT_LT(pieces, 1.2 * whole);
}

TEST(LmHead, LogitsNeverExceedTheChunk) {
  constexpr std::int64_t kTokens = 512, kVocab = 4096, kWidth = 8, kChunk = 16;
  const Case c = make_case(kTokens, kWidth, kVocab, at::kFloat);
  const PeakMemory memory;
  lm_head_loss(c.x, c.weight, c.target, {.chunk = kChunk, .scale = 1}).loss.backward();
  const std::int64_t logits = kChunk * kVocab * 4;
  // dx and its .grad, dweight and its .grad, a few vectors of the tokens.
  const std::int64_t rest = 2 * (kTokens + kVocab) * kWidth * 4 + 16 * kTokens * 8;
  EXPECT_LE(memory.largest(), logits);
  EXPECT_LE(memory.peak(), logits + rest);
  EXPECT_LT(logits + rest, kTokens * kVocab * 4 / 8);  // the whole logits would not pass
}

TEST(LmHead, EvaluationToo) {
  const Case c = make_case(512, 8, 4096, at::kFloat);
  const at::NoGradGuard no_grad;
  const PeakMemory memory;
  lm_head_loss(c.x, c.weight, c.target, {.chunk = 16, .scale = 1});
  EXPECT_LE(memory.peak(), 16 * 4096 * 4 + 16 * 512 * 8);
}

TEST(LmHead, TargetOutsideTheVocabularyIsAnError) {
  const Case c = make_case(8, 4, 9, at::kFloat);
  c.target[6].fill_(9);
  EXPECT_THROW(lm_head_loss(c.x, c.weight, c.target, {.chunk = 3}), c10::IndexError);
}

TEST(LmHead, AVocabularyIsPaddedToAMultipleOf64) {
  EXPECT_EQ(padded_vocabulary(50257), 50304);
  EXPECT_EQ(padded_vocabulary(50304), 50304);
  EXPECT_EQ(padded_vocabulary(65), 128);
  EXPECT_EQ(padded_vocabulary(1), 64);
}

TEST(LmHead, AChunksLogitsAreFewerThan2To31) {
  EXPECT_EQ(limited_head_chunk(0, 1000, 50304), 1000);
  EXPECT_EQ(limited_head_chunk(300, 1000, 50304), 300);
  EXPECT_EQ(limited_head_chunk(42'690, 100'000, 50304), 42'690);  // * 50304 = 2^31 - 205,888
  for (const std::int64_t vocab : {std::int64_t{65}, std::int64_t{50257}, std::int64_t{50304},
                                   std::int64_t{3} << 26, std::int64_t{1} << 40}) {
    for (const std::int64_t tokens : {1, 63, 42'691, 175'104, 524'288, 4'000'000}) {
      const std::int64_t chunk = limited_head_chunk(0, tokens, vocab);
      ASSERT_GE(chunk, 1);
      EXPECT_TRUE(chunk == 1 || chunk * padded_vocabulary(vocab) < std::int64_t{1} << 31) << chunk;
      const std::int64_t pieces = (tokens + chunk - 1) / chunk;
      const bool even = tokens - (pieces - 1) * chunk > chunk / 2;
      EXPECT_TRUE(even || chunk <= 10'000) << "a small last one";
    }
  }
}

TEST(LmHead, DefaultChunkIsBoundedInBytes) {
  EXPECT_LE(default_head_chunk(50304) * 50304 * 4, std::int64_t{64} << 20);
  EXPECT_GE(default_head_chunk(50304), 64);
  EXPECT_GT(default_head_chunk(65), 100000);
}

TEST(TokenScores, EqualsLogSoftmaxInFloat64) {
  auto g = testing::generator(4);
  const at::Tensor x = at::randn({29, 24}, g), weight = at::randn({101, 24}, g);
  const at::Tensor logits = at::linear(x.to(at::kDouble), weight.to(at::kDouble));
  at::Tensor target = at::randint(101, {29}, g, at::kLong);
  target.narrow(0, 0, 10).copy_(logits.argmax(1).narrow(0, 0, 10));
  const at::Tensor loss = -at::log_softmax(logits, 1).gather(1, target.unsqueeze(1)).squeeze(1);
  const at::Tensor likeliest = logits.argmax(1) == target;
  for (const std::int64_t chunk : {0, 1, 7, 29, 64}) {
    TokenScores scores = score_tokens(x, weight, target, chunk);
    EXPECT_TRUE(near(scores.loss_N, loss, 1e-6)) << chunk;
    EXPECT_TRUE(scores.likeliest_N.equal(likeliest));
    scores = score_tokens(x.to(at::kDouble), weight.to(at::kDouble), target, chunk);
    EXPECT_TRUE(near(scores.loss_N, loss, 1e-14)) << chunk;
    scores = score_tokens(x, weight.to(at::kBFloat16), target, chunk);
    EXPECT_TRUE(near(scores.loss_N, loss, 0.02)) << chunk;
  }
  EXPECT_EQ(score_tokens(x.narrow(0, 0, 0), weight, target.narrow(0, 0, 0)).loss_N.numel(), 0);
}

}  // namespace
}  // namespace gpt
