#include "app/model_scorer.h"

#include <gtest/gtest.h>

#include "gpt/model/gpt.h"

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

}  // namespace
}  // namespace gpt
