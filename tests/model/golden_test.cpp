// Loss and every gradient of a small model against PyTorch's, in float64.
#include "support/golden.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/model/gpt.h"

#include "support/tensor_near.h"

namespace gpt {
namespace {

constexpr double kTolerance = 1e-10;

Gpt golden_model(const nlohmann::json& shape) {
  ModelConfig config;
  config.n_layer = shape.at("n_layer");
  config.n_head = shape.at("n_head");
  config.n_embd = shape.at("n_embd");
  config.bias = shape.at("bias");
  config.gelu = shape.at("gelu") == "tanh" ? "tanh" : "exact";
  auto generator = testing::generator(1);
  Gpt model(config, shape.at("vocab_size"), shape.at("block_size"), generator);
  model.to(at::kDouble);
  const at::NoGradGuard no_grad;
  for (std::size_t p = 0; p < model.parameters().size(); ++p) {
    const auto& [name, tensor] = model.parameters()[p];
    const bool scale = name.ends_with(".weight") && name.find("ln_") != std::string::npos;
    const at::Tensor k = at::arange(tensor.numel(), at::kDouble);
    tensor.copy_(((0.37 * k + static_cast<double>(p)).sin() * 0.2 + (scale ? 1.0 : 0.0))
                     .view(tensor.sizes()));
  }
  return model;
}

TEST(Golden, LossLogitsAndGradientsArePyTorchs) {
  const auto golden = nlohmann::json::parse(testing::read_golden("gradients.json"));
  ASSERT_EQ(golden.at("cases").size(), 4u);
  for (const auto& [name, expected] : golden.at("cases").items()) {
    SCOPED_TRACE(name);
    const auto& shape = expected.at("shape");
    const std::int64_t B = expected.at("batch_size"), T = shape.at("block_size"),
                       V = shape.at("vocab_size"), every = expected.at("ignore_every");
    const Gpt model = golden_model(shape);
    const at::Tensor i = at::arange(B * T);
    const at::Tensor x = ((i * i + 5 * i) % V).view({B, T});
    at::Tensor y = (11 * i + 4) % V;
    if (every > 0) y = y.masked_fill((i % every).eq(0), -1);
    y = y.view({B, T});
    const double counted = y.ne(-1).sum().item<double>();
    for (const std::int64_t chunk : {0, 1, 5}) {
      for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = at::Tensor();
      const LmHeadLoss loss = model.loss(x, y, {.chunk = chunk, .scale = 1.0 / counted});
      EXPECT_NEAR(loss.loss.item<double>(), expected.at("loss").get<double>(), kTolerance);
      loss.loss.backward();
      testing::expect_fingerprints(model.parameters(), expected.at("gradients"), kTolerance, true);
    }
    const at::NoGradGuard no_grad;
    const auto last = expected.at("logits").at("last_position").get<std::vector<double>>();
    const at::Tensor logits = model.next_logits(x)[B - 1];
    for (std::int64_t v = 0; v < V; ++v)
      EXPECT_NEAR(logits[v].item<double>(), last[static_cast<std::size_t>(v)], kTolerance);
  }
}

}  // namespace
}  // namespace gpt
