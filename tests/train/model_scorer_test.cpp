#include "gpt/train/model_scorer.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "gpt/device/cpu_memory.h"
#include "gpt/model/gpt.h"

#include "support/error_text.h"
#include "support/tensor_near.h"

namespace gpt {
namespace {

// Requests of different lengths in one batch, against the plain model in float64, one at a time.
TEST(ModelScorer, EqualsTheModelInFloat64) {
  ModelConfig config;
  config.n_layer = 2;
  config.n_head = 2;
  config.n_embd = 16;
  config.bias = true;
  auto g = testing::generator(2);
  Gpt model(config, /*vocab_size=*/31, /*block_size=*/20, g);
  const at::NoGradGuard no_grad;
  for (const Parameter& p : model.parameters())
    if (p.tensor.dim() == 2) p.tensor.mul_(15);
  const Decoder decoder(model.parameters(), config, {at::kCPU, at::kFloat});
  model.to(at::kDouble);

  std::vector<ScoreRequest> requests;
  for (const auto& [length, first] : {std::pair{21, 1}, {2, 1}, {9, 6}, {14, 13}}) {
    const at::Tensor tokens = at::randint(31, {length}, g, at::kLong);
    const std::int64_t* data = tokens.const_data_ptr<std::int64_t>();
    requests.push_back({{data, data + length}, static_cast<std::size_t>(first)});
  }
  for (const std::int64_t chunk : {0, 3}) {
    const auto scores = model_scorer(decoder, chunk)(requests);
    ASSERT_EQ(scores.size(), requests.size());
    for (std::size_t r = 0; r < requests.size(); ++r) {
      const ScoreRequest& request = requests[r];
      ASSERT_EQ(scores[r].size(), request.tokens.size() - request.first);
      for (std::size_t i = request.first; i < request.tokens.size(); ++i) {
        const std::vector<std::int64_t> before(
            request.tokens.begin(), request.tokens.begin() + static_cast<std::ptrdiff_t>(i));
        const at::Tensor logits = model.next_logits(at::tensor(before).unsqueeze(0))[0];
        const double loss = -at::log_softmax(logits, 0)[request.tokens[i]].item<double>();
        const TokenScore& score = scores[r][i - request.first];
        EXPECT_NEAR(score.loss, loss, 1e-4 * std::max(1.0, loss)) << r << " " << i;
        EXPECT_EQ(score.likeliest, logits.argmax().item<std::int64_t>() == request.tokens[i]);
      }
    }
  }
}

class StarvedScorer : public ::testing::Test {
 protected:
  void SetUp() override {
    install_cpu_memory();
    config_.n_layer = 1, config_.n_head = 2, config_.n_embd = 16;
    auto g = testing::generator(4);
    const Gpt model(config_, /*vocab_size=*/31, /*block_size=*/20, g);
    decoder_ =
        std::make_unique<Decoder>(model.parameters(), config_, Compute{at::kCPU, at::kFloat});
    for (const std::int64_t length : {20, 7, 13, 20, 3}) {
      const at::Tensor tokens = at::randint(31, {length}, g, at::kLong);
      const std::int64_t* data = tokens.const_data_ptr<std::int64_t>();
      requests_.push_back({{data, data + length}, 1});
    }
  }
  void TearDown() override {
    fail_cpu_allocations(0);
    set_cpu_memory_limit(0);
  }

  ModelConfig config_;
  std::unique_ptr<Decoder> decoder_;
  std::vector<ScoreRequest> requests_;
};

TEST_F(StarvedScorer, AFailureAtAnyAllocationChangesNoScore) {
  const auto expected = model_scorer(*decoder_, 0)(requests_);
  int failed = 0;
  for (std::int64_t n = 1;; ++n) {
    const std::int64_t before = cpu_allocations();
    fail_cpu_allocations(n);
    const auto scores = model_scorer(*decoder_, 0)(requests_);
    fail_cpu_allocations(0);
    ASSERT_EQ(scores.size(), expected.size());
    for (std::size_t r = 0; r < scores.size(); ++r) {
      ASSERT_EQ(scores[r].size(), expected[r].size());
      for (std::size_t i = 0; i < scores[r].size(); ++i)
        EXPECT_NEAR(scores[r][i].loss, expected[r][i].loss, 1e-5) << n;
    }
    if (cpu_allocations() - before < n) break;  // there was none left to fail
    ++failed;
  }
  EXPECT_GT(failed, 20);
}

TEST_F(StarvedScorer, ALimitIsMetWithFewerTextsAndInTheEndNamed) {
  Scorer scorer = model_scorer(*decoder_, 0);
  const auto expected = scorer(requests_);
  reset_cpu_memory_peak();
  const std::uint64_t before = cpu_memory_now();
  scorer(requests_);
  const std::uint64_t whole = cpu_memory_peak() - before;
  set_cpu_memory_limit(before + whole / 2);
  const auto scores = scorer(requests_);
  EXPECT_LE(cpu_memory_peak(), before + whole);
  ASSERT_EQ(scores.size(), expected.size());
  EXPECT_NEAR(scores[3][5].loss, expected[3][5].loss, 1e-5);
  set_cpu_memory_limit(before + 512);
  const std::string text = testing::error_text([&] { scorer(requests_); });
  for (const char* part : {"out of memory in the evaluation: ", " MiB were missing",
                           "1 text(s) at a time, head_chunk=64", "`gpttrain doctor`"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
}

}  // namespace
}  // namespace gpt
