// Small models through an engine, for comparisons of engines.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/model/engines.h"

#include "support/tensor_near.h"

namespace gpt::testing {

struct EngineCase {
  ModelConfig model;
  at::ScalarType type = at::kFloat;  // float64: the model's weights too
  std::int64_t batch = 3, tokens = 7, vocabulary = 23;
  std::string recompute = "none";
  at::Device device = at::kCPU;
  double gradient_scale = 1;
  std::int64_t document_end = -1;  // a token; -1: no documents

  EngineCase() {
    model.n_layer = 2;
    model.n_head = 2;
    model.n_embd = 16;
  }
};

struct EngineResult {
  std::vector<std::string> names;
  std::vector<at::Tensor> gradients;  // float64 on the CPU, unscaled; of two accumulated calls
  at::Tensor losses, evaluated;       // of the last accumulate, and of token_losses
};

using MakeEngine =
    std::function<std::unique_ptr<Engine>(const TrainConfig&, const Gpt&, const Compute&)>;

inline DropoutState dropout_of(const EngineCase& c) {
  return {.on = c.model.dropout > 0,
          .p = c.model.dropout,
          .seed = 7,
          .step = 3,
          .sequence_B = at::arange(5, 5 + c.batch)};
}

inline TrainConfig config_of(const EngineCase& c) {
  TrainConfig config;
  config.model = c.model;
  config.memory.recompute = c.recompute;
  return config;
}

// Two calls, of different tokens: gradients must add up.
inline EngineResult engine_gradients(const EngineCase& c, const MakeEngine& make) {
  const TrainConfig config = config_of(c);
  auto g = generator(1);
  Gpt model(c.model, c.vocabulary, /*block_size=*/c.tokens + 2, g);
  if (c.type == at::kDouble) model.to(at::kDouble);
  model.to(c.device);
  const auto engine = make(config, model, {c.device, c.type});
  if (c.document_end >= 0) engine->mask_documents(c.document_end);
  EngineResult result;
  for (int call = 0; call < 2; ++call) {
    const at::Tensor x = at::randint(c.vocabulary, {c.batch, c.tokens}, g, at::kLong).to(c.device);
    const at::Tensor y = at::randint(c.vocabulary, {c.batch, c.tokens}, g, at::kLong).to(c.device);
    const double tokens = 2.0 * static_cast<double>(c.batch * c.tokens);
    result.losses =
        engine->accumulate(x, y, {1.0 / tokens, c.gradient_scale}, dropout_of(c)).to(at::kCPU);
    result.evaluated = engine->token_losses(x, y).to(at::kCPU);
  }
  for (const Parameter& parameter : model.parameters()) {
    result.names.push_back(parameter.name);
    result.gradients.push_back(parameter.tensor.grad().to(at::kCPU, at::kDouble) /
                               c.gradient_scale);
  }
  return result;
}

// Each gradient in units of its tensor's largest element, or of a hundredth of the largest of all:
// the key part of c_attn.bias has none but rounding.
inline void expect_same(const EngineResult& actual, const EngineResult& expected, double tolerance,
                        const std::string& what = "") {
  EXPECT_TRUE(near(actual.losses, expected.losses, tolerance)) << what;
  EXPECT_TRUE(near(actual.evaluated, expected.evaluated, tolerance)) << what;
  ASSERT_EQ(actual.names, expected.names);
  double largest = 0;
  for (const at::Tensor& gradient : expected.gradients)
    largest = std::max(largest, gradient.abs().max().item<double>());
  for (std::size_t i = 0; i < actual.names.size(); ++i) {
    const at::Tensor &a = actual.gradients[i], &e = expected.gradients[i];
    const double unit = std::max(e.abs().max().item<double>(), largest / 100);
    EXPECT_LE((a - e).abs().max().item<double>() / unit, tolerance)
        << what << " " << actual.names[i];
  }
}

}  // namespace gpt::testing
