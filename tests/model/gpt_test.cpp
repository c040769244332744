#include "gpt/model/gpt.h"

#include <cmath>
#include <map>

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "support/tensor_near.h"

namespace gpt {
namespace {

using testing::near;

ModelConfig small_config() {
  ModelConfig config;
  config.n_layer = 2;
  config.n_head = 2;
  config.n_embd = 16;
  return config;
}

Gpt make_model(const ModelConfig& config, std::uint64_t seed = 1) {
  auto generator = testing::generator(seed);
  return Gpt(config, /*vocab_size=*/23, /*block_size=*/12, generator);
}

std::vector<at::Tensor> gradients(const Gpt& model, const at::Tensor& x, const at::Tensor& y,
                                  const LmHeadOptions& options, const DropoutState& dropout = {}) {
  for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = at::Tensor();
  model.loss(x, y, options, dropout).loss.backward();
  std::vector<at::Tensor> list;
  for (const Parameter& p : model.parameters()) list.push_back(p.tensor.grad().clone());
  return list;
}

TEST(Gpt, ParameterNamesAreGpt2s) {
  ModelConfig config = small_config();
  config.n_layer = 1;
  config.bias = true;
  std::vector<std::string> names;
  const Gpt model = make_model(config);
  for (const Parameter& p : model.parameters()) names.push_back(p.name);
  const std::vector<std::string> expected{"transformer.wte.weight",
                                          "transformer.wpe.weight",
                                          "transformer.h.0.ln_1.weight",
                                          "transformer.h.0.ln_1.bias",
                                          "transformer.h.0.attn.c_attn.weight",
                                          "transformer.h.0.attn.c_attn.bias",
                                          "transformer.h.0.attn.c_proj.weight",
                                          "transformer.h.0.attn.c_proj.bias",
                                          "transformer.h.0.ln_2.weight",
                                          "transformer.h.0.ln_2.bias",
                                          "transformer.h.0.mlp.c_fc.weight",
                                          "transformer.h.0.mlp.c_fc.bias",
                                          "transformer.h.0.mlp.c_proj.weight",
                                          "transformer.h.0.mlp.c_proj.bias",
                                          "transformer.ln_f.weight",
                                          "transformer.ln_f.bias"};
  EXPECT_EQ(names, expected);
}

// nanoGPT prints 123.65M for GPT-2 124M with bias=False and the padded vocabulary (its README's
// 124M counts biases and positions): 50304*768 + 12*(12*768^2 + 2*768) + 768.
TEST(Gpt, CountsParametersAndFlopsAsNanoGpt) {
  ModelConfig config;
  config.n_layer = 1;
  auto generator = testing::generator(1);
  const Gpt model(config, 1000, 64, generator);
  const std::int64_t expected = 1000 * 768 + 12 * 768 * 768 + 3 * 768;
  EXPECT_EQ(model.parameter_count(), expected);
  EXPECT_EQ(model.flops_per_token(), 6.0 * static_cast<double>(expected) + 12.0 * 1 * 768 * 64);
}

TEST(Gpt, SdpaEqualsWrittenOutAttention) {
  ModelConfig config = small_config();
  const Gpt fused = make_model(config);
  config.attention = "plain";
  const Gpt plain = make_model(config);
  const at::Tensor x = at::randint(23, {3, 12}), y = at::randint(23, {3, 12});
  const auto a = gradients(fused, x, y, {.scale = 1.0 / 36});
  const auto b = gradients(plain, x, y, {.scale = 1.0 / 36});
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(near(a[i], b[i], 1e-6)) << fused.parameters()[i].name;
}

// Every gradient, against central differences in float64.
TEST(Gpt, GradientsAgreeWithFiniteDifferences) {
  for (const bool bias : {false, true}) {
    for (const char* gelu : {"exact", "tanh"}) {
      ModelConfig config = small_config();
      config.bias = bias;
      config.gelu = gelu;
      Gpt model = make_model(config);
      model.to(at::kDouble);
      const at::Tensor x = at::randint(23, {2, 7}), y = at::randint(23, {2, 7});
      const LmHeadOptions options{.chunk = 5, .scale = 1.0 / 14};
      const auto analytic = gradients(model, x, y, options);
      const at::NoGradGuard no_grad;
      const auto loss = [&] { return model.loss(x, y, options).loss.item<double>(); };
      for (std::size_t i = 0; i < analytic.size(); ++i) {
        const at::Tensor direction = at::randn_like(analytic[i]);
        const double h = 1e-6;
        const at::Tensor& weight = model.parameters()[i].tensor;
        weight.add_(direction, h);
        const double up = loss();
        weight.sub_(direction, 2 * h);
        const double down = loss();
        weight.add_(direction, h);
        const double expected = (analytic[i] * direction).sum().item<double>();
        EXPECT_NEAR((up - down) / (2 * h), expected, 1e-7 + 1e-6 * std::abs(expected))
            << model.parameters()[i].name << " bias " << bias << " " << gelu;
      }
    }
  }
}

TEST(Gpt, GradientsDoNotDependOnTheSplit) {
  ModelConfig config = small_config();
  config.dropout = 0.25;
  Gpt model = make_model(config);
  model.to(at::kDouble);
  const at::Tensor x = at::randint(23, {8, 12}), y = at::randint(23, {8, 12});
  const auto run = [&](std::int64_t micro) {
    for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = at::Tensor();
    for (std::int64_t first = 0; first < 8; first += micro) {
      const std::int64_t count = std::min<std::int64_t>(micro, 8 - first);
      const DropoutState dropout{.on = true,
                                 .p = 0.25,
                                 .seed = 1337,
                                 .step = 4,
                                 .sequence_B = at::arange(first, first + count)};
      model.loss(x.narrow(0, first, count), y.narrow(0, first, count), {.scale = 1.0 / 96}, dropout)
          .loss.backward();
    }
    std::vector<at::Tensor> list;
    for (const Parameter& p : model.parameters()) list.push_back(p.tensor.grad().clone());
    return list;
  };
  const auto whole = run(8);
  for (const std::int64_t micro : {1, 3, 4}) {
    const auto parts = run(micro);
    for (std::size_t i = 0; i < whole.size(); ++i)
      EXPECT_TRUE(near(parts[i], whole[i], 1e-13)) << micro << model.parameters()[i].name;
  }
}

TEST(Gpt, DropoutChangesTheLossAndTheStepChangesTheMask) {
  ModelConfig config = small_config();
  config.dropout = 0.5;
  const Gpt model = make_model(config);
  const at::Tensor x = at::randint(23, {2, 12}), y = at::randint(23, {2, 12});
  const auto loss = [&](bool on, std::int64_t step) {
    const DropoutState dropout{
        .on = on, .p = 0.5, .seed = 1, .step = step, .sequence_B = at::arange(2)};
    return model.loss(x, y, {.scale = 1}, dropout).loss.item<double>();
  };
  EXPECT_NE(loss(true, 0), loss(false, 0));
  EXPECT_NE(loss(true, 0), loss(true, 1));
  EXPECT_EQ(loss(true, 1), loss(true, 1));
}

TEST(Gpt, NextLogitsAreThoseOfTheLastToken) {
  const Gpt model = make_model(small_config());
  const at::NoGradGuard no_grad;
  const at::Tensor x = at::randint(23, {2, 6});
  const at::Tensor logits = model.next_logits(x);
  const at::Tensor y = at::full({2, 6}, 5, at::kLong);
  const auto token = model.loss(x, y, {}).token_N.view({2, 6}).select(1, 5);
  EXPECT_TRUE(near(-at::log_softmax(logits, 1).select(1, 5), token, 1e-5));
}

TEST(Gpt, TooLongASequenceIsAnError) {
  const Gpt model = make_model(small_config());
  EXPECT_THROW(model.forward(at::zeros({1, 13}, at::kLong)), c10::Error);
}

TEST(Gpt, TheSeedDecidesTheWeights) {
  const Gpt a = make_model(small_config(), 7), b = make_model(small_config(), 7),
            c = make_model(small_config(), 8);
  for (std::size_t i = 0; i < a.parameters().size(); ++i) {
    EXPECT_TRUE(at::equal(a.parameters()[i].tensor, b.parameters()[i].tensor));
  }
  EXPECT_FALSE(at::equal(a.parameters()[0].tensor, c.parameters()[0].tensor));
}

// PyTorch's modules draw when they are made, nanoGPT's apply() draws all of them again, then come
// the residual projections: as the text says it, without leaving anything out.
TEST(Gpt, WeightsAreDrawnInNanoGptsOrder) {
  ModelConfig config = small_config();
  config.n_layer = 1;
  config.bias = true;
  constexpr std::int64_t C = 16, V = 23, T = 12;
  auto drawn = testing::generator(4), g = testing::generator(4);
  const Gpt model(config, V, T, drawn);
  const auto normal = [&](std::int64_t rows, std::int64_t columns, double std) {
    return at::empty({rows, columns}).normal_(0.0, std, g);
  };
  const auto linear = [&](std::int64_t in, std::int64_t out, bool bias) {
    at::empty({out, in}).uniform_(-0.25, 0.25, g);
    if (bias) at::empty({out}).uniform_(-0.25, 0.25, g);
  };
  normal(V, C, 1.0);
  normal(T, C, 1.0);
  linear(C, 3 * C, true);
  linear(C, C, true);
  linear(C, 4 * C, true);
  linear(4 * C, C, true);
  linear(C, V, false);
  normal(V, C, 0.02);
  std::map<std::string, at::Tensor> expected;
  expected["transformer.wpe.weight"] = normal(T, C, 0.02);
  expected["transformer.h.0.attn.c_attn.weight"] = normal(3 * C, C, 0.02);
  normal(C, C, 0.02);
  expected["transformer.h.0.mlp.c_fc.weight"] = normal(4 * C, C, 0.02);
  normal(C, 4 * C, 0.02);
  expected["transformer.wte.weight"] = normal(V, C, 0.02);
  expected["transformer.h.0.attn.c_proj.weight"] = normal(C, C, 0.02 / std::sqrt(2.0));
  expected["transformer.h.0.mlp.c_proj.weight"] = normal(C, 4 * C, 0.02 / std::sqrt(2.0));
  for (const Parameter& p : model.parameters()) {
    const bool norm = p.name.find("ln_") != std::string::npos;
    if (p.tensor.dim() == 1)
      EXPECT_TRUE(p.tensor.eq(norm && p.name.ends_with("weight") ? 1 : 0).all().item<bool>())
          << p.name;
    else
      EXPECT_TRUE(at::equal(p.tensor, expected.at(p.name))) << p.name;
  }
  EXPECT_TRUE(drawn.get_state().equal(g.get_state()));
}

}  // namespace
}  // namespace gpt
