#include "gpt/eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "support/error_text.h"

namespace gpt {
namespace {

using testing::error_text;

// Token t after c tokens of context costs t + c / 1000 nats, so that a sum tells what was scored
// and how much was seen.
std::vector<std::vector<TokenScore>> count_context(std::span<const ScoreRequest> requests) {
  std::vector<std::vector<TokenScore>> all;
  for (const ScoreRequest& request : requests) {
    all.emplace_back();
    for (std::size_t i = request.first; i < request.tokens.size(); ++i)
      all.back().push_back(
          {static_cast<double>(request.tokens[i]) + static_cast<double>(i) / 1000, false});
  }
  return all;
}

TokenSource source_of(const std::vector<std::int64_t>& tokens) {
  return {.size = static_cast<std::int64_t>(tokens.size()),
          .copy = [&tokens](std::int64_t begin, std::int64_t count, std::int64_t* out) {
            ASSERT_GE(begin, 0);
            ASSERT_LE(begin + count, static_cast<std::int64_t>(tokens.size()));
            std::copy_n(tokens.begin() + begin, count, out);
          }};
}

TEST(EvalWindows, ByHand) {
  const auto text = [](std::int64_t size, std::int64_t context, std::int64_t stride) {
    std::string all;
    for (const EvalWindow& w : eval_windows(size, context, stride))
      all += std::to_string(w.begin) + ":" + std::to_string(w.scored) + "-" +
             std::to_string(w.last) + " ";
    return all;
  };
  EXPECT_EQ(text(10, 4, 4), "0:1-4 4:5-8 5:9-9 ");
  EXPECT_EQ(text(10, 4, 2), "0:1-4 2:5-6 4:7-8 5:9-9 ");
  EXPECT_EQ(text(5, 4, 1), "0:1-4 ");
  EXPECT_EQ(text(2, 4, 4), "0:1-1 ");
  EXPECT_EQ(text(1, 4, 4), "");
}

TEST(EvalWindows, EveryTokenIsScoredOnceWithContextEnough) {
  for (std::int64_t size = 2; size < 40; ++size)
    for (std::int64_t context = 1; context < 12; ++context)
      for (std::int64_t stride = 1; stride <= context; ++stride) {
        std::int64_t next = 1;
        for (const EvalWindow& w : eval_windows(size, context, stride)) {
          ASSERT_EQ(w.scored, next);
          ASSERT_GE(w.last, w.scored);
          ASSERT_LE(w.last - w.begin, context);  // what the model reads
          ASSERT_GE(w.begin, 0);
          for (std::int64_t t = w.scored; t <= w.last; ++t)
            ASSERT_GE(t - w.begin, std::min(t, context - stride + 1));
          next = w.last + 1;
        }
        ASSERT_EQ(next, size) << size << " " << context << " " << stride;
      }
}

TEST(Perplexity, ByHand) {
  const std::vector<std::int64_t> tokens{5, 1, 2, 3, 4};
  TokenSource source = source_of(tokens);
  const auto run = [&](PerplexityOptions options) {
    return perplexity(source, "text", options, count_context);
  };
  // Two windows: 1 and 2 after 1 and 2 tokens; 3 and 4 after 1 and 2.
  Perplexity p = run({.context = 2, .stride = 2});
  EXPECT_EQ(p.tokens, 4);
  EXPECT_NEAR(p.nats, 10 + 0.006, 1e-12);
  EXPECT_NEAR(p.loss(), 2.5015, 1e-12);
  EXPECT_NEAR(p.perplexity(), std::exp(2.5015), 1e-12);
  EXPECT_FALSE(p.bits_per_byte());
  // Stride 1: 3 and 4 each after 2.
  EXPECT_NEAR(run({.context = 2, .stride = 1}).nats, 10 + 0.007, 1e-12);
  EXPECT_NEAR(run({.context = 9, .stride = 9}).nats, 10 + 0.010, 1e-12);
  // With a token before the text, 5 counts as well, and each has one more before it.
  p = run({.context = 9, .stride = 9, .before = 77});
  EXPECT_EQ(p.tokens, 5);
  EXPECT_NEAR(p.nats, 15 + 0.015, 1e-12);
  // Bytes are of scored tokens only: token t stands for t bytes.
  source.bytes = [](std::int64_t token) { return token; };
  p = run({.context = 9, .stride = 9});
  EXPECT_EQ(p.bytes, 10);
  EXPECT_NEAR(*p.bits_per_byte(), 10.010 / std::log(2.0) / 10, 1e-12);
}

TEST(Perplexity, TargetsThatDoNotCountStandApart) {
  const std::vector<std::int64_t> tokens{5, 1, 2, 3, 4};
  const std::vector<bool> mask{true, false, true, false, true};
  TokenSource source = source_of(tokens);
  source.bytes = [](std::int64_t token) { return token; };
  source.counted = [&](std::int64_t begin, std::int64_t count) {
    return std::vector<bool>(mask.begin() + begin, mask.begin() + begin + count);
  };
  const auto run = [&](PerplexityOptions options) {
    return perplexity(source, "text", options, count_context);
  };
  for (const std::int64_t batch : {1, 8}) {
    const Perplexity p = run({.context = 2, .stride = 1, .batch = batch});
    EXPECT_EQ(p.tokens, 2);
    EXPECT_NEAR(p.nats, 2.002 + 4.002, 1e-12);
    EXPECT_EQ(p.bytes, 6);
    EXPECT_EQ(p.masked_tokens, 2);
    EXPECT_NEAR(*p.masked_loss(), (1.001 + 3.002) / 2, 1e-12);
  }
  const Perplexity whole = run({.context = 9, .stride = 9, .before = 77});
  EXPECT_EQ(whole.tokens, 3);  // the text's first token, too
  EXPECT_NEAR(whole.nats, 5.001 + 2.003 + 4.005, 1e-12);
  source.counted = {};
  EXPECT_FALSE(run({.context = 2, .stride = 1}).masked_loss());
}

TEST(Perplexity, TheBatchDoesNotMatter) {
  std::vector<std::int64_t> tokens(203);
  std::iota(tokens.begin(), tokens.end(), 0);
  const TokenSource source = source_of(tokens);
  double done = 0;
  for (const std::int64_t batch : {1, 3, 100}) {
    const Perplexity p = perplexity(source, "text", {.context = 16, .stride = 5, .batch = batch},
                                    count_context, [&](double now, double total, double) {
                                      EXPECT_EQ(total, 202);
                                      done = now;
                                      return true;
                                    });
    EXPECT_EQ(p.tokens, 202);
    EXPECT_NEAR(p.nats, perplexity(source, "", {.context = 16, .stride = 5}, count_context).nats,
                1e-9);
    EXPECT_EQ(done, 202);
  }
}

TEST(Perplexity, ATextTooShortIsRefused) {
  const std::vector<std::int64_t> one{3}, none;
  EXPECT_EQ(error_text([&] { perplexity(source_of(one), "a.txt", {}, count_context); }),
            "a.txt: has 1 token(s); the loss of a text needs at least 2");
  EXPECT_EQ(perplexity(source_of(one), "", {.before = 9}, count_context).tokens, 1);
  EXPECT_EQ(error_text([&] { perplexity(source_of(none), "a", {.before = 9}, count_context); }),
            "a: has 0 token(s); the loss of a text needs at least 1");
}

}  // namespace
}  // namespace gpt
