#include "gpt/model/gpt.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/SDPBackend.h>
#include <ATen/core/grad_mode.h>

#include "gpt/kernels/ops/autocast.h"
#include "gpt/optim/adamw.h"
#include "gpt/optim/gradients.h"
#include "gpt/sampling/decoder.h"

#include "gpu.h"

namespace gpt {
namespace {

using testing::relative_distance;

class GpuGpt : public testing::Gpu {
 protected:
  struct Case {
    ModelConfig model;
    c10::ScalarType compute = at::kFloat;
    double scale = 1;  // of the gradients
  };

  struct Pass {
    double loss = 0;
    std::vector<std::string> names;
    std::vector<at::Tensor> gradients;  // on the CPU
  };

  static ModelConfig shape() {
    ModelConfig config;
    config.n_layer = 3;
    config.n_head = 4;
    config.n_embd = 128;
    config.bias = true;
    return config;
  }

  static Gpt make(const ModelConfig& config, const c10::Device& device) {
    at::Generator generator = at::detail::createCPUGenerator(1337);
    Gpt model(config, kVocab, kBlock, generator);
    model.to(device);
    return model;
  }

  static at::Tensor tokens(std::int64_t shift) {
    return at::arange(shift, shift + kBatch * kBlock)
        .mul(37)
        .remainder(kVocab)
        .view({kBatch, kBlock});
  }

  static Pass pass(const c10::Device& device, const Case& c) {
    const Gpt model = make(c.model, device);
    const DropoutState dropout{.on = c.model.dropout > 0,
                               .p = c.model.dropout,
                               .seed = 7,
                               .step = 3,
                               .sequence_B = at::arange(kBatch)};
    LmHeadOptions head{.chunk = 100, .scale = 1.0 / (kBatch * kBlock), .gradient_scale = c.scale};
    if (c.compute != at::kFloat) head.compute_type = c.compute;
    const LmHeadLoss loss = [&] {
      const AutocastGuard autocast(device.type(), c.compute);
      return model.loss(tokens(0).to(device), tokens(1).to(device), head, dropout);
    }();
    loss.loss.backward();
    Pass result{loss.loss.item<double>(), {}, {}};
    for (const Parameter& parameter : model.parameters()) {
      result.names.push_back(parameter.name);
      result.gradients.push_back(parameter.tensor.grad().cpu() / c.scale);
    }
    return result;
  }

  // The key part of c_attn.bias has no gradient but rounding, so each gradient is measured against
  // its tensor's own largest element.
  static void expect_near(const Pass& actual, const Pass& expected, double tolerance) {
    EXPECT_NEAR(actual.loss, expected.loss, tolerance * expected.loss);
    ASSERT_EQ(actual.names, expected.names);
    for (std::size_t i = 0; i < actual.names.size(); ++i)
      EXPECT_LT(relative_distance(actual.gradients[i], expected.gradients[i]), tolerance)
          << actual.names[i];
  }

  static constexpr std::int64_t kBatch = 3, kBlock = 64, kVocab = 307;
};

TEST_F(GpuGpt, ForwardEqualsTheCpus) {
  const at::NoGradGuard no_grad;
  const at::Tensor expected = make(shape(), cpu_).forward(tokens(0));
  const at::Tensor actual = make(shape(), cuda_).forward(tokens(0).to(cuda_));
  EXPECT_LT(relative_distance(actual, expected), 1e-5);
}

TEST_F(GpuGpt, LossAndGradientsEqualTheCpusInFloat32) {
  for (const char* attention : {"sdpa", "plain"}) {
    ModelConfig model = shape();
    model.attention = attention;
    expect_near(pass(cuda_, {.model = model}), pass(cpu_, {.model = model}), 1e-4);
  }
}

TEST_F(GpuGpt, DropoutsMasksAreTheCpus) {
  ModelConfig model = shape();
  model.dropout = 0.2;
  const Pass expected = pass(cpu_, {.model = model});
  expect_near(pass(cuda_, {.model = model}), expected, 1e-4);
  EXPECT_NE(pass(cpu_, {.model = shape()}).loss, expected.loss);
}

// bfloat16 has 2^-9 relative rounding in each product, float16 2^-12; three blocks add them up.
TEST_F(GpuGpt, AutocastStaysNearFloat32) {
  const Pass expected = pass(cpu_, {.model = shape()});
  expect_near(pass(cuda_, {.model = shape(), .compute = at::kHalf, .scale = 4096}), expected, 2e-2);
  if (device_facts().cuda_bf16())
    expect_near(pass(cuda_, {.model = shape(), .compute = at::kBFloat16}), expected, 0.1);
}

TEST_F(GpuGpt, ClippedAdamWStepsEqualTheCpus) {
  OptimizerConfig config;
  config.weight_decay = 0.1;
  const auto train = [&](const c10::Device& device) {
    auto g = testing::generator(5);
    std::vector<at::Tensor> weights;
    for (const auto& size : {std::vector<std::int64_t>{33, 17}, std::vector<std::int64_t>{129}})
      weights.push_back(
          at::randn(size, g, at::kDouble).to(device, at::kFloat).set_requires_grad(true));
    AdamW optimizer(weights, config);
    const auto zero = at::zeros({}, at::TensorOptions().device(device).dtype(at::kFloat));
    for (int step = 0; step < 5; ++step) {
      std::vector<at::Tensor> gradients;
      for (at::Tensor& weight : weights) {
        const at::Tensor gradient = at::randn(weight.sizes(), g, at::kDouble);
        weight.mutable_grad() = gradient.to(device, at::kFloat);
        gradients.push_back(weight.grad());
      }
      const at::Tensor norm = optimizer.gradient_norm();
      EXPECT_LT(relative_distance(norm, gradient_norm(gradients)), 1e-6);
      // The fourth is skipped: nothing is written and the step does not count.
      optimizer.step(1e-2, step == 3 ? zero + 1 : zero, clip_factor(norm, 1.0));
    }
    return weights;
  };
  const auto expected = train(cpu_), actual = train(cuda_);
  for (std::size_t i = 0; i < actual.size(); ++i)
    EXPECT_LT(relative_distance(actual[i], expected[i]), 1e-6) << i;
}

// A plan of cuDNN's for each length would take longer than all the rest of a token.
TEST_F(GpuGpt, DecodingTokenByTokenReadsTheTextWithoutCudnn) {
  const Gpt model = make(shape(), cpu_);
  const Decoder exact(model.parameters(), shape(), {cpu_, at::kFloat});
  const Decoder decoder(model.parameters(), shape(), {cuda_, at::kHalf});
  const at::Tensor expected = exact.forward(tokens(0)), text_BT = tokens(0).to(cuda_);
  EXPECT_LT(relative_distance(decoder.forward(text_BT), expected), 1e-2);
  KvCache cache = decoder.make_cache(kBatch, kBlock);
  for (std::int64_t t = 0; t < kBlock; ++t) {
    const at::Tensor x_B1C = decoder.forward(text_BT.narrow(1, t, 1), &cache);
    EXPECT_LT(relative_distance(x_B1C, expected.narrow(1, t, 1)), 1e-2) << t;
  }
  const at::Tensor q = at::ones({1, 4, 1, 64}, at::TensorOptions().device(cuda_).dtype(at::kHalf));
  const at::Tensor kv = at::ones({1, 4, 100, 64}, q.options());
  EXPECT_NE(at::_fused_sdp_choice(q, kv, kv),
            static_cast<std::int64_t>(at::SDPBackend::cudnn_attention));
  at::globalContext().setSDPUseCuDNN(true);
}

TEST_F(GpuGpt, NonFiniteGradientsAreSeenOnTheDevice) {
  const at::Tensor fine = at::ones({5}).to(cuda_), norm = gradient_norm({fine});
  const at::Tensor bad = gradient_norm({fine, at::full({2}, INFINITY).to(cuda_)});
  EXPECT_EQ(any_non_finite({norm}).item<double>(), 0);
  EXPECT_EQ(any_non_finite({norm, bad}).item<double>(), 1);
}

}  // namespace
}  // namespace gpt
