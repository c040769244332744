#include "gpt/sampling/generate.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "gpt/model/gpt.h"
#include "gpt/model/weight_init.h"

#include "support/tensor_near.h"

namespace gpt {
namespace {

constexpr std::int64_t kVocabulary = 67, kBlock = 16;
using Tokens = std::vector<std::int64_t>;

ModelConfig shape() {
  ModelConfig config;
  config.n_layer = 2;
  config.n_head = 2;
  config.n_embd = 16;
  return config;
}

struct Model {
  ModelConfig config = shape();
  at::Generator init = testing::generator(1);
  Gpt oracle{config, kVocabulary, kBlock, init};
  Decoder decoder{(sharpen(), oracle.parameters()), config, {at::kCPU, at::kFloat}};

  // Fresh weights give nearly equal probabilities, where a wrong context would hardly show.
  void sharpen() const {
    const at::NoGradGuard no_grad;
    for (const Parameter& p : oracle.parameters())
      if (p.tensor.dim() == 2) p.tensor.mul_(20);
  }
};

// nanoGPT's GPT.generate, line by line, without a cache.
Tokens reference(const Gpt& model, Tokens text, std::int64_t count, double temperature,
                 std::int64_t top_k, at::Generator& generator) {
  const at::NoGradGuard no_grad;
  const std::size_t prompt = text.size();
  for (std::int64_t i = 0; i < count; ++i) {
    const std::size_t seen = std::min(text.size(), static_cast<std::size_t>(kBlock));
    const Tokens cond(text.end() - static_cast<std::ptrdiff_t>(seen), text.end());
    at::Tensor logits = model.next_logits(at::tensor(cond).unsqueeze(0)) / temperature;
    const at::Tensor v = std::get<0>(logits.topk(std::min(top_k, kVocabulary)));
    logits.masked_fill_(logits < v.select(1, v.size(1) - 1).unsqueeze(1), -INFINITY);
    text.push_back(
        at::multinomial(at::softmax(logits, -1), 1, false, generator).item<std::int64_t>());
  }
  return {text.begin() + static_cast<std::ptrdiff_t>(prompt), text.end()};
}

std::vector<Tokens> texts(const Decoder& decoder, const Tokens& prompt,
                          const GenerateOptions& options,
                          const std::vector<at::Generator>& generators) {
  std::vector<Tokens> all(generators.size());
  std::vector<int> ends(generators.size());
  generate(
      decoder, prompt, options, generators,
      [&](std::int64_t row, std::int64_t token) {
        all[static_cast<std::size_t>(row)].push_back(token);
        return true;
      },
      [&](std::int64_t row) { ++ends[static_cast<std::size_t>(row)]; });
  for (const int count : ends) EXPECT_EQ(count, 1);
  return all;
}

GenerateOptions options(std::int64_t tokens, WhenFull when_full = WhenFull::kCrop) {
  return {
      .max_new_tokens = tokens, .draw = {.temperature = 0.8, .top_k = 20}, .when_full = when_full};
}

// Three samples of nanoGPT's sample.py: weights drawn and discarded, then one text after the other
// from the same generator, past block_size as well.
TEST(Generate, TheDrawsAreNanoGpts) {
  const Model model;
  for (const std::size_t prompt_size : {1u, 5u, 16u, 23u}) {
    Tokens prompt(prompt_size, 3);
    prompt.back() = 8;
    auto one = testing::generator(1337);
    Gpt(model.config, kVocabulary, kBlock, one);
    std::vector<Tokens> expected;
    for (int i = 0; i < 3; ++i)
      expected.push_back(reference(model.oracle, prompt, 30, 0.8, 20, one));

    std::vector<at::Generator> generators;
    for (int i = 0; i < 3; ++i) {
      generators.push_back(testing::generator(1337));
      skip_init(generators.back(), {model.config, kVocabulary, kBlock});
      skip_draws(generators.back(), kVocabulary, i * 30);
    }
    EXPECT_EQ(texts(model.decoder, prompt, options(30), generators), expected) << prompt_size;
  }
}

TEST(Generate, ATextDoesNotDependOnTheOthers) {
  const Model model;
  const auto with = [&](std::vector<std::uint64_t> seeds) {
    std::vector<at::Generator> generators;
    for (const auto seed : seeds) generators.push_back(testing::generator(seed));
    return texts(model.decoder, {1, 2, 3}, options(25), generators);
  };
  const auto together = with({1, 2, 3, 4, 5});
  for (std::uint64_t seed = 1; seed <= 5; ++seed)
    EXPECT_EQ(with({seed}).front(), together[seed - 1]) << seed;
}

TEST(Generate, AStopTokenEndsItsTextAlone) {
  const Model model;
  const auto run = [&](std::optional<std::int64_t> stop) {
    std::vector<at::Generator> generators;
    for (const std::uint64_t seed : {7, 8, 9, 10}) generators.push_back(testing::generator(seed));
    GenerateOptions with = options(40);
    with.stop = stop;
    return texts(model.decoder, {4}, with, generators);
  };
  const auto whole = run({});
  const std::int64_t stop = whole[1][12];
  std::vector<Tokens> expected;
  for (const Tokens& text : whole)
    expected.emplace_back(text.begin(), std::find(text.begin(), text.end(), stop));
  EXPECT_LE(expected[1].size(), 12u);
  EXPECT_EQ(run(stop), expected);
}

TEST(Generate, TheCallerMayEndATextAndTheBlockMay) {
  const Model model;
  int taken = 0;
  const auto times = generate(model.decoder, {1}, options(40), {testing::generator(1)},
                              [&](std::int64_t, std::int64_t) { return ++taken < 5; });
  EXPECT_EQ(taken, 5);
  EXPECT_EQ(times.new_tokens, 5);
  EXPECT_EQ(times.prompt_tokens, 1);
  const auto stopped = texts(model.decoder, {1, 2, 3}, options(40, WhenFull::kStop),
                             {testing::generator(1), testing::generator(2)});
  for (const Tokens& text : stopped) EXPECT_EQ(text.size(), 14u);  // 16 positions were read
}

// With half the window forgotten the next token is what the other half alone would give.
TEST(Generate, ForgettingHalfReadsTheOtherHalf) {
  const Model model;
  const auto text =
      texts(model.decoder, {1}, options(40, WhenFull::kHalf), {testing::generator(3)}).front();
  auto generator = testing::generator(3);
  const at::NoGradGuard no_grad;
  Tokens all{1};
  std::size_t begin = 0;
  for (const std::int64_t token : text) {
    if (all.size() - begin > kBlock) begin = all.size() - kBlock / 2;
    const Tokens seen(all.begin() + static_cast<std::ptrdiff_t>(begin), all.end());
    const at::Tensor logits = model.oracle.next_logits(at::tensor(seen).unsqueeze(0))[0];
    EXPECT_EQ(draw_token(logits, options(1).draw, generator), token) << all.size();
    all.push_back(token);
  }
}

}  // namespace
}  // namespace gpt
