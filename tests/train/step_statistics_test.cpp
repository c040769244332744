#include "gpt/train/step_statistics.h"

#include <cmath>
#include <map>
#include <mutex>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "gpt/base/strings.h"
#include "gpt/model/engines.h"
#include "gpt/train/activation_statistics.h"

#include "support/ranks.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::run_ranks;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

using Named = std::map<std::string, double>;

TrainConfig watched_config(const TempDir& dir) {
  TrainConfig config = tiny_config(dir);
  config.monitor.stats_interval = 2;
  config.data.micro_batch_size.value = 1;
  config.model.bias = true;
  return config;
}

// Of the step that was looked at last.
Named noted(TinyRun& run, int steps) {
  Named values;
  StepStatistics statistics({run.config,
                             run.compute,
                             run.model,
                             *run.optimizer,
                             run.group,
                             {},
                             [&](std::int64_t, const StepStatistics::Values& now) {
                               values = Named(now.begin(), now.end());
                             }});
  const SpikeGuard guard(run.config.optimizer, Manifest());
  TrainStep step({run.config, run.compute, run.model, *run.engine, *run.optimizer, run.scaler,
                  run.batches, run.group, guard, statistics});
  for (int i = 0; i < steps; ++i) {
    step.queue(i);
    run.batches.finish_step();
  }
  return values;
}

double norm_of(const std::vector<at::Tensor>& tensors) {
  double square = 0;
  for (const at::Tensor& tensor : tensors)
    square += tensor.to(at::kDouble).square().sum().item<double>();
  return std::sqrt(square);
}

TEST(StepStatistics, LayersAreBlocksEmbeddingsAndTheLastNorm) {
  EXPECT_EQ(layer_of("transformer.h.11.attn.c_attn.weight"), "h.11");
  EXPECT_EQ(layer_of("transformer.wte.weight"), "wte");
  EXPECT_EQ(layer_of("transformer.ln_f.bias"), "ln_f");
}

// McCandlish et al.: E|G_b|^2 = |G|^2 + tr(Sigma) / b.
TEST(StepStatistics, NoiseOfTwoBatchesIsTheirs) {
  constexpr double kSquare = 3, kTrace = 40;
  const auto of = [&](double one_by_b) { return kSquare + kTrace * one_by_b; };
  const GradientNoise noise = GradientNoise::from(of(1.0 / 4), 1.0 / 4, of(1.0 / 64), 1.0 / 64);
  EXPECT_NEAR(noise.square, kSquare, 1e-12);
  EXPECT_NEAR(noise.variance, kTrace, 1e-12);
}

class Noted : public ::testing::TestWithParam<bool> {};  // compile

TEST_P(Noted, GradientsWeightsAndUpdatesAreWhatTheyAre) {
  const TempDir dir;
  TrainConfig config = watched_config(dir);
  config.system.compile = GetParam();
  TinyRun run(config);
  std::map<std::string, std::vector<at::Tensor>> before, gradients, change;
  std::vector<at::Tensor> first, weights;
  for (const Parameter& parameter : run.model.parameters()) {
    weights.push_back(parameter.tensor.detach().clone());
    before[layer_of(parameter.name)].push_back(weights.back());
  }
  // The same batch by another road: the windows that are drawn next.
  Prefetcher reader(config.data.block_size, at::kCPU);
  const std::vector<std::int64_t> windows = run.batches.position().pending;
  reader.request(rows_of(run.dataset.train.front().tokens, at::tensor(windows).narrow(0, 0, 4)), 4);
  const Batch whole = reader.take();
  const auto gradient_of = [&](std::int64_t sequences) {
    for (const Parameter& p : run.model.parameters()) p.tensor.mutable_grad() = at::Tensor();
    const auto engine = make_eager_engine(config, run.model, run.compute);
    engine->accumulate(whole.x_BT.narrow(0, 0, sequences), whole.y_BT.narrow(0, 0, sequences),
                       {.per_token = 1.0 / static_cast<double>(sequences * 16)}, {});
    std::vector<at::Tensor> all;
    for (const Parameter& p : run.model.parameters()) all.push_back(p.tensor.grad().clone());
    return all;
  };
  const double small = std::pow(norm_of(gradient_of(1)), 2);
  const std::vector<at::Tensor> big = gradient_of(4);
  for (std::size_t i = 0; i < big.size(); ++i)
    gradients[layer_of(run.model.parameters()[i].name)].push_back(big[i]);

  const Named values = noted(run, 1);
  for (std::size_t i = 0; i < weights.size(); ++i)
    change[layer_of(run.model.parameters()[i].name)].push_back(
        run.model.parameters()[i].tensor.detach() - weights[i]);
  ASSERT_EQ(before.size(), 5u);  // wte, wpe, h.0, h.1, ln_f
  for (const auto& [layer, tensors] : before) {
    EXPECT_NEAR(values.at("weight_norm/" + layer) / norm_of(tensors), 1, 1e-5) << layer;
    EXPECT_NEAR(values.at("grad_norm/" + layer) / norm_of(gradients[layer]), 1, 1e-4) << layer;
    EXPECT_NEAR(values.at("update_ratio/" + layer) * norm_of(tensors) / norm_of(change[layer]), 1,
                1e-4)
        << layer;
  }
  const GradientNoise noise = GradientNoise::from(small, 1, std::pow(norm_of(big), 2), 1.0 / 4);
  EXPECT_NEAR(values.at("gradient_variance") / noise.variance, 1, 1e-3);
  EXPECT_NEAR(values.at("gradient_square") / noise.square, 1, 1e-2);
  EXPECT_NEAR(values.at("noise_scale_tokens") / (16 * noise.variance / noise.square), 1, 1e-2);
}

INSTANTIATE_TEST_SUITE_P(Engines, Noted, ::testing::Values(false, true));

TEST(StepStatistics, OneMicroBatchHasNoNoiseScale) {
  const TempDir dir;
  TrainConfig config = watched_config(dir);
  config.data.micro_batch_size.value = 4;
  TinyRun run(config);
  const Named values = noted(run, 1);
  EXPECT_TRUE(values.contains("grad_norm/h.0"));
  EXPECT_FALSE(values.contains("gradient_variance"));
  EXPECT_FALSE(values.contains("noise_scale_tokens"));
}

TEST(StepStatistics, OfSeveralProcessesAreThoseOfOne) {
  const TempDir alone_dir;
  TrainConfig config = watched_config(alone_dir);
  TinyRun alone(config);
  const Named expected = noted(alone, 3);
  for (const std::int64_t zero : {0, 1}) {
    const TempDir dir;
    std::vector<TrainConfig> configs;
    for (int rank = 0; rank < 2; ++rank) {
      configs.push_back(watched_config(dir));
      configs.back().memory.zero = zero;
      configs.back().io.out_dir = (dir / concat("rank", rank)).string();
    }
    Named found;
    const auto errors = run_ranks(2, [&](ProcessGroup& group) {
      TinyRun run(configs[static_cast<std::size_t>(group.rank())], {}, {at::kCPU, at::kFloat},
                  group);
      const Named here = noted(run, 3);
      if (group.is_first()) found = here;
    });
    for (const std::string& error : errors) EXPECT_EQ(error, "");
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, value] : expected) {
      // Of two processes the first passes of both count.
      if (name.starts_with("gradient_") || name.starts_with("noise_")) continue;
      EXPECT_NEAR(found.at(name), value, 1e-3 * std::abs(value) + 1e-6) << name << " zero " << zero;
    }
  }
}

struct Activations {
  explicit Activations(const TrainConfig& settled)
      : config(settled), model(settled.model, 61, 16), tokens_1T(at::arange(16).unsqueeze(0)) {
    const at::NoGradGuard no_grad;
    for (const Parameter& parameter : model.parameters())
      parameter.tensor.normal_(0, 0.05, testing_generator);
  }
  at::Tensor weight(const std::string& name) const {
    for (const Parameter& parameter : model.parameters())
      if (parameter.name == name) return parameter.tensor.detach();
    throw std::runtime_error(name);
  }
  Named values() const { return values_of(sums(tokens_1T)); }
  at::Tensor sums(const at::Tensor& tokens_BT,
                  std::optional<std::int64_t> document_end = {}) const {
    return activation_sums(model.parameters(), config.model, at::kCPU, tokens_BT, document_end);
  }
  Named values_of(const at::Tensor& sums_N) const {
    EXPECT_EQ(sums_N.numel(), activation_sum_count(config.model));
    const double* data = sums_N.const_data_ptr<double>();
    const auto values = activation_values(config.model, {data, data + sums_N.numel()});
    return {values.begin(), values.end()};
  }

  at::Generator testing_generator = at::detail::createCPUGenerator(3);
  TrainConfig config;
  Gpt model;
  at::Tensor tokens_1T;
};

TEST(ActivationStatistics, KnowWhatCanBeWorkedOut) {
  const TempDir dir;
  const Activations of(watched_config(dir));
  // No query or key: every token attends to all before it alike.
  of.weight("transformer.h.0.attn.c_attn.weight").narrow(0, 0, 64).zero_();
  of.weight("transformer.h.0.attn.c_attn.bias").zero_();
  double uniform = 0;
  for (int seen = 1; seen <= 16; ++seen) uniform += std::log(seen) / 16;
  of.weight("transformer.h.1.attn.c_attn.weight").mul_(100);
  // A quarter of the hidden units far below zero.
  of.weight("transformer.h.1.mlp.c_fc.bias").narrow(0, 0, 32).fill_(-100);
  const Named values = of.values();
  EXPECT_NEAR(values.at("attention_entropy/h.0"), uniform, 1e-5);
  EXPECT_NEAR(values.at("head_entropy/h.0.1"), uniform, 1e-5);
  EXPECT_LT(values.at("attention_entropy/h.1"), uniform);
  EXPECT_NEAR(values.at("attention_entropy/h.1"),
              (values.at("head_entropy/h.1.0") + values.at("head_entropy/h.1.1")) / 2, 1e-6);
  EXPECT_EQ(values.at("dead_units/h.0"), 0);
  EXPECT_EQ(values.at("dead_units/h.1"), 0.25);
  const at::Tensor x_TC =
      of.weight("transformer.wte.weight").narrow(0, 0, 16) + of.weight("transformer.wpe.weight");
  EXPECT_NEAR(values.at("activation_rms/wte"), x_TC.square().mean().sqrt().item<double>(), 1e-6);
}

// The stream behind the last block is what the model's forward pass puts through its last norm.
TEST(ActivationStatistics, FollowTheModelsOwnPass) {
  const TempDir dir;
  const Activations of(watched_config(dir));
  const at::NoGradGuard no_grad;
  TensorMap tensors;
  for (const Parameter& p : of.model.parameters()) tensors[p.name] = p.tensor;
  at::Tensor x_BTC = (at::embedding(tensors.at("transformer.wte.weight"), of.tokens_1T) +
                      tensors.at("transformer.wpe.weight"));
  const Named values = of.values();
  for (std::int64_t layer = 0; layer < 2; ++layer) {
    x_BTC = Block(of.config.model, tensors, concat("transformer.h.", layer, "."))(x_BTC, layer, {});
    EXPECT_NEAR(values.at(concat("activation_rms/h.", layer)),
                x_BTC.square().mean().sqrt().item<double>(), 1e-5);
  }
}

TEST(ActivationStatistics, OfManySequencesAddUp) {
  const TempDir dir;
  const Activations of(watched_config(dir));
  const at::Tensor tokens_BT = at::arange(48).view({3, 16});
  const at::Tensor together = of.sums(tokens_BT);
  at::Tensor one_by_one = at::zeros_like(together);
  std::vector<Named> each;
  for (std::int64_t i = 0; i < 3; ++i) {
    one_by_one += of.sums(tokens_BT.narrow(0, i, 1));
    each.push_back(of.values_of(of.sums(tokens_BT.narrow(0, i, 1))));
  }
  const Named all = of.values_of(together), added = of.values_of(one_by_one);
  for (const auto& [name, value] : all) EXPECT_NEAR(added.at(name), value, 1e-6) << name;
  double square = 0, entropy = 0;
  for (const Named& values : each) {
    square += std::pow(values.at("activation_rms/h.1"), 2) / 3;
    entropy += values.at("head_entropy/h.0.1") / 3;
  }
  EXPECT_NEAR(all.at("activation_rms/h.1"), std::sqrt(square), 1e-6);
  EXPECT_NEAR(all.at("head_entropy/h.0.1"), entropy, 1e-6);
  EXPECT_TRUE(of.values_of(at::zeros_like(together)).empty());
}

// A unit that lives in one sequence is not dead.
TEST(ActivationStatistics, AUnitIsDeadInAllSequencesOrNone) {
  const TempDir dir;
  const Activations of(watched_config(dir));
  of.weight("transformer.h.0.mlp.c_fc.bias").fill_(-100);
  const Named dead = of.values_of(of.sums(at::arange(32).view({2, 16})));
  EXPECT_EQ(dead.at("dead_units/h.0"), 1);
  at::Tensor sums_N = of.sums(at::arange(16).view({1, 16}));
  of.weight("transformer.h.0.mlp.c_fc.bias").narrow(0, 0, 32).fill_(0);
  sums_N += of.sums(at::arange(16, 32).view({1, 16}));
  EXPECT_EQ(of.values_of(sums_N).at("dead_units/h.0"), 0.75);
}

// Without query or key: the second document begins behind the end token at 5.
TEST(ActivationStatistics, AttentionStaysWithinDocuments) {
  const TempDir dir;
  const Activations of(watched_config(dir));
  of.weight("transformer.h.0.attn.c_attn.weight").narrow(0, 0, 64).zero_();
  of.weight("transformer.h.0.attn.c_attn.bias").zero_();
  const at::Tensor tokens_BT = at::arange(16).unsqueeze(0).repeat({2, 1});
  tokens_BT[0][5] = 60;
  tokens_BT[1][5] = 60;
  double uniform = 0;
  for (int seen = 1; seen <= 6; ++seen) uniform += std::log(seen) / 16;
  for (int seen = 1; seen <= 10; ++seen) uniform += std::log(seen) / 16;
  EXPECT_NEAR(of.values_of(of.sums(tokens_BT, 60)).at("attention_entropy/h.0"), uniform, 1e-5);
}

// Of the first batch_size sequences, wherever a step is cut.
TEST(ActivationStatistics, AreOfABatchHoweverTheStepIsCut) {
  for (const std::int64_t micro : {1, 3, 8}) {
    const TempDir dir;
    TrainConfig config = watched_config(dir);
    config.data.gradient_accumulation_steps = 2;
    config.data.micro_batch_size.value = micro;
    TinyRun run(config);
    Prefetcher reader(config.data.block_size, at::kCPU);
    const std::vector<std::int64_t> windows = run.batches.position().pending;
    reader.request(rows_of(run.dataset.train.front().tokens, at::tensor(windows).narrow(0, 0, 4)),
                   4);
    const at::Tensor sums_N =
        activation_sums(run.model.parameters(), config.model, at::kCPU, reader.take().x_BT);
    const double* data = sums_N.const_data_ptr<double>();
    const Named values = noted(run, 1);
    for (const auto& [name, value] : activation_values(config.model, {data, data + sums_N.numel()}))
      EXPECT_NEAR(values.at(name), value, 1e-6) << name << " " << micro;
  }
}

}  // namespace
}  // namespace gpt
