#include "gpt/sampling/decoder.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "gpt/base/strings.h"
#include "gpt/kernels/ops/attention.h"
#include "gpt/model/gpt.h"

#include "support/error_text.h"
#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::near;

constexpr std::int64_t kVocabulary = 61, kBlock = 37;

ModelConfig shape(bool bias, const char* gelu, std::int64_t width = 24) {
  ModelConfig config;
  config.n_layer = 3;
  config.n_head = 4;
  config.n_embd = width;
  config.bias = bias;
  config.gelu = gelu;
  return config;
}

// Weights large enough that every path matters, biases that are not zero.
Gpt make_model(const ModelConfig& config) {
  auto g = testing::generator(3);
  Gpt model(config, kVocabulary, kBlock, g);
  const at::NoGradGuard no_grad;
  for (const Parameter& p : model.parameters()) {
    const bool scale = p.name.find("ln_") != std::string::npos && p.name.ends_with(".weight");
    p.tensor.normal_(scale ? 1.0 : 0.0, 0.2, g);
  }
  return model;
}

at::Tensor tokens(std::int64_t B, std::int64_t T) {
  auto g = testing::generator(5);
  return at::randint(kVocabulary, {B, T}, g, at::kLong);
}

// The oracle's logits at every position: (B, T, V).
at::Tensor all_logits(const Gpt& model, const at::Tensor& tokens_BT) {
  const at::NoGradGuard no_grad;
  return at::linear(model.forward(tokens_BT), model.parameters().front().tensor);
}

at::Tensor logits_of(const Decoder& decoder, const at::Tensor& x_BTC) {
  return decoder.logits(x_BTC.flatten(0, 1)).view({x_BTC.size(0), x_BTC.size(1), -1});
}

// The text in pieces of the given sizes (the last size repeats), through one cache.
at::Tensor cached_logits(const Decoder& decoder, const at::Tensor& tokens_BT,
                         const std::vector<std::int64_t>& pieces) {
  KvCache cache = decoder.make_cache(tokens_BT.size(0), tokens_BT.size(1));
  std::vector<at::Tensor> list;
  for (std::size_t i = 0; cache.length() < tokens_BT.size(1); ++i) {
    const std::int64_t left = tokens_BT.size(1) - cache.length();
    const std::int64_t size = std::min(left, pieces[std::min(i, pieces.size() - 1)]);
    const at::Tensor piece = tokens_BT.narrow(1, cache.length(), size);
    list.push_back(logits_of(decoder, decoder.forward(piece, &cache)));
  }
  return at::cat(list, 1);
}

void expect_same(const at::Tensor& actual, const at::Tensor& expected, double tolerance) {
  EXPECT_TRUE(near(actual, expected, tolerance));
  EXPECT_TRUE(actual.argmax(-1).equal(expected.argmax(-1)));
}

TEST(Decoder, CachedLogitsAreTheUncachedModels) {
  for (const bool bias : {false, true})
    for (const char* gelu : {"exact", "tanh"})
      for (const std::int64_t width : {24, 20}) {
        SCOPED_TRACE(concat(bias, gelu, width));
        const ModelConfig config = shape(bias, gelu, width);
        const Gpt model = make_model(config);
        const Decoder decoder(model.parameters(), config, {at::kCPU, at::kFloat});
        for (const auto& [B, T] : {std::pair{1, 37}, {1, 1}, {3, 29}, {18, 11}}) {
          const at::Tensor text = tokens(B, T), expected = all_logits(model, text);
          expect_same(logits_of(decoder, decoder.forward(text)), expected, 1e-5);
          for (const auto& pieces : std::vector<std::vector<std::int64_t>>{
                   {1}, {T}, {7, 1}, {5}, {1, 9, 2}, {std::max<std::int64_t>(1, T - 1), 1}})
            expect_same(cached_logits(decoder, text, pieces), expected, 1e-5);
        }
      }
}

TEST(Decoder, InFloat64ItIsTheModelToTwelveDigits) {
  const ModelConfig config = shape(true, "exact");
  Gpt model = make_model(config);
  const Decoder decoder(model.parameters(), config, {at::kCPU, at::kDouble});
  model.to(at::kDouble);
  const at::Tensor text = tokens(2, 31);
  expect_same(cached_logits(decoder, text, {6, 1}), all_logits(model, text), 1e-12);
}

// Weights rounded to bfloat16 in the oracle too, products of the decoder rounded to it besides.
TEST(Decoder, Bfloat16IsNearTheModelWithRoundedWeights) {
  const ModelConfig config = shape(true, "tanh", 32);
  const Gpt model = make_model(config);
  {
    const at::NoGradGuard no_grad;
    for (const Parameter& p : model.parameters())
      if (p.tensor.dim() == 2) p.tensor.copy_(p.tensor.to(at::kBFloat16).to(at::kFloat));
  }
  const Decoder decoder(model.parameters(), config, {at::kCPU, at::kBFloat16});
  for (const std::int64_t B : {1, 12}) {
    const at::Tensor text = tokens(B, 30), expected = all_logits(model, text);
    EXPECT_TRUE(near(cached_logits(decoder, text, {9, 1}), expected, 0.03));
    EXPECT_TRUE(near(logits_of(decoder, decoder.forward(text)), expected, 0.03));
  }
}

TEST(Decoder, APromptIsReadOnceAndSharedByItsContinuations) {
  const ModelConfig config = shape(false, "exact");
  const Gpt model = make_model(config);
  const Decoder decoder(model.parameters(), config, {at::kCPU, at::kFloat});
  const at::Tensor prompt = tokens(1, 8), rest = tokens(4, 5);
  KvCache one = decoder.make_cache(1, 20);
  decoder.forward(prompt, &one);
  KvCache cache = one.repeated(4);
  const at::Tensor whole = at::cat({prompt.expand({4, 8}), rest}, 1);
  const at::Tensor expected = all_logits(model, whole);
  std::vector<at::Tensor> list;
  for (std::int64_t t = 0; t < 3; ++t)
    list.push_back(logits_of(decoder, decoder.forward(rest.narrow(1, t, 1), &cache)));
  expect_same(at::cat(list, 1), expected.narrow(1, 8, 3), 1e-5);
  cache.keep({3, 1});
  const at::Tensor kept = at::stack({rest[3], rest[1]}).narrow(1, 3, 2);
  expect_same(logits_of(decoder, decoder.forward(kept, &cache)),
              at::stack({expected[3], expected[1]}).narrow(1, 11, 2), 1e-5);
}

// The oracle has the mask of all tokens at once. End tokens are the first and the last one,
// neighbours, and at the borders of the pieces.
TEST(Decoder, DocumentsAreKeptApartWhateverTheCacheHolds) {
  constexpr std::int64_t kEnd = 60;
  const ModelConfig config = shape(true, "exact");
  const Gpt model = make_model(config);
  Decoder decoder(model.parameters(), config, {at::kCPU, at::kFloat});
  decoder.mask_documents(kEnd);
  const at::Tensor text = tokens(3, 30).clamp_max(kEnd - 1);
  for (const std::int64_t t : {0, 6, 7, 8, 20, 29}) text[0][t] = kEnd;
  for (const std::int64_t t : {4, 5, 14}) text[1][t] = kEnd;
  const at::NoGradGuard no_grad;
  const at::Tensor expected =
      at::linear(model.forward(text, {}, false, document_mask(text, kEnd, at::kFloat)),
                 model.parameters().front().tensor);
  EXPECT_FALSE(near(all_logits(model, text), expected, 1e-2));
  expect_same(logits_of(decoder, decoder.forward(text)), expected, 1e-5);
  for (const auto& pieces :
       std::vector<std::vector<std::int64_t>>{{1}, {30}, {7, 1}, {5}, {1, 8, 2}, {29, 1}, {15, 15}})
    expect_same(cached_logits(decoder, text, pieces), expected, 1e-5);

  KvCache cache = decoder.make_cache(3, 30);
  decoder.forward(text.narrow(1, 0, 10), &cache);
  cache.keep({2, 0});
  expect_same(
      logits_of(decoder, decoder.forward(at::stack({text[2], text[0]}).narrow(1, 10, 1), &cache)),
      at::stack({expected[2], expected[0]}).narrow(1, 10, 1), 1e-5);
  cache.clear();
  expect_same(logits_of(decoder, decoder.forward(at::stack({text[1], text[0]}), &cache)),
              at::stack({expected[1], expected[0]}), 1e-5);

  KvCache one = decoder.make_cache(1, 30);
  decoder.forward(text.narrow(0, 0, 1).narrow(1, 0, 9), &one);
  KvCache both = one.repeated(2);
  const at::Tensor next = text[0].narrow(0, 9, 1).expand({2, 1});
  expect_same(logits_of(decoder, decoder.forward(next, &both)),
              expected[0].narrow(0, 9, 1).expand({2, 1, kVocabulary}), 1e-5);
}

TEST(Decoder, RefusesWeightsOfAnotherModel) {
  const ModelConfig config = shape(false, "exact");
  const Gpt model = make_model(config);
  const Compute compute{at::kCPU, at::kFloat};
  const auto refusal = [&](const ParameterList& weights, const ModelConfig& other) {
    return error_text([&] { Decoder(weights, other, compute); });
  };
  EXPECT_NE(refusal(model.parameters(), shape(true, "exact")).find("ln_1.bias is missing"),
            std::string::npos);
  ModelConfig fewer = config;
  fewer.n_layer = 2;
  EXPECT_NE(refusal(model.parameters(), fewer).find("is not in this model"), std::string::npos);
  ParameterList wrong = model.parameters();
  wrong[3].tensor = at::zeros({5, 5});
  EXPECT_NE(refusal(wrong, config).find(wrong[3].name + " has the shape [5, 5]"),
            std::string::npos);
}

TEST(Decoder, RefusesMoreThanItsBlockOrItsCache) {
  const ModelConfig config = shape(false, "exact");
  const Gpt model = make_model(config);
  const Decoder decoder(model.parameters(), config, {at::kCPU, at::kFloat});
  EXPECT_THROW(decoder.forward(tokens(1, kBlock + 1)), c10::Error);
  KvCache cache = decoder.make_cache(1, 4);
  EXPECT_THROW(decoder.forward(tokens(1, 5), &cache), c10::Error);
  EXPECT_EQ(decoder.cache_bytes(2, 10), 2 * 3 * 2 * 10 * 24 * 4);
}

}  // namespace
}  // namespace gpt
