// The tensor engine through its kernels' own sources, against the eager engine.
#include "gpt/kernels/device_choices.h"
#include "gpt/model/engines.h"

#include "emulated.h"
#include "support/engine_cases.h"

namespace gpt {
namespace {

using testing::Emulated;
using testing::engine_gradients;
using testing::EngineCase;
using testing::expect_same;

// Half types and recompute levels take no other path through the kernels than these do.
TEST(Emulation, WholeEngineHasEagersGradients) {
  for (const bool bias : {false, true}) {
    EngineCase c;
    c.type = bias ? at::kFloat : at::kDouble;
    c.model.bias = bias;
    c.model.gelu = bias ? "tanh" : "exact";
    c.model.dropout = bias ? 0.2 : 0.0;
    c.model.n_embd = bias ? 24 : 10;
    const auto expected = engine_gradients(c, make_eager_engine);
    const Emulated emulated;
    const std::int64_t before = emulation::counts().launches;
    const auto actual = engine_gradients(c, make_tensor_engine);
    EXPECT_GT(emulation::counts().launches, before + 30);
    expect_same(actual, expected, bias ? 1e-5 : 1e-12);
  }
}

TEST(Emulation, WholeEngineHasEagersGradientsOfDocuments) {
  EngineCase c;
  c.tokens = 37;
  c.document_end = 4;
  c.model.dropout = 0.2;
  const auto expected = engine_gradients(c, make_eager_engine);
  const Emulated emulated;
  expect_same(engine_gradients(c, make_tensor_engine), expected, 1e-5);
}

// A training step with its attention in tiles: dropout, or documents, or both.
TEST(Emulation, WholeEngineHasTheSameGradientsWithAttentionInTiles) {
  for (const auto& [dropout, document_end] : {std::pair{0.2, -1}, {0.0, 4}, {0.2, 4}}) {
    EngineCase c;
    c.type = at::kBFloat16;
    c.batch = 2;
    c.tokens = 19;
    c.model.n_embd = 32;
    c.model.bias = true;
    c.model.dropout = dropout;
    c.document_end = document_end;
    for (const char* recompute : {"none", "block"}) {
      c.recompute = recompute;
      const Emulated emulated;
      set_device_choices(DeviceChoices{});
      const std::int64_t start = emulation::counts().launches;
      const auto expected = engine_gradients(c, make_tensor_engine);
      const std::int64_t plain = emulation::counts().launches - start;
      set_device_choices(DeviceChoices{.tiled_attention = true});
      const auto actual = engine_gradients(c, make_tensor_engine);
      EXPECT_NE(emulation::counts().launches - start - plain, plain) << "the same kernels ran";
      set_device_choices(std::nullopt);
      expect_same(actual, expected, 3e-2, recompute);
    }
  }
}

// Four steps of a small model, of two micro-batches each; the token losses and gradients of each,
// and how many graphs there were.
struct Trained {
  std::vector<at::Tensor> all;
  std::size_t graphs = 0;
};

Trained train(const char* mode, double dropout = 0, std::int64_t document_end = -1) {
  EngineCase c;
  c.model.n_layer = 1;
  c.model.dropout = dropout;
  TrainConfig config = testing::config_of(c);
  config.system.compile_mode = mode;
  auto g = testing::generator(1);
  Gpt model(c.model, c.vocabulary, 9, g);
  const auto engine = make_tensor_engine(config, model, {c.device, c.type});
  if (document_end >= 0) engine->mask_documents(document_end);
  Trained trained;
  for (int step = 0; step < 8; ++step) {
    if (step % 2 == 0)
      for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = at::Tensor();
    const at::Tensor x = at::randint(23, {2, 7}, g, at::kLong);
    const DropoutState state{.on = dropout > 0,
                             .p = dropout,
                             .seed = 7,
                             .step = step / 2,
                             .sequence_B = at::arange(2) + step % 2 * 2};
    trained.all.push_back(engine->accumulate(x, x.flip(1), {}, state));
    for (const Parameter& p : model.parameters()) trained.all.push_back(p.tensor.grad().clone());
    if (step % 2 == 1) engine->weights_changed();
  }
  trained.graphs = engine->recorded_graphs();
  return trained;
}

void expect_equal(const Trained& actual, const Trained& expected) {
  for (std::size_t i = 0; i < expected.all.size(); ++i)
    EXPECT_TRUE(at::equal(actual.all[i], expected.all[i])) << i;
}

// Recorded after two steps, replayed with new tokens and into gradients that were zeroed: the same
// as never recorded.
TEST(Emulation, ReplayedGraphsSeeNewTokensAndOldGradients) {
  const Emulated emulated;
  const Trained plain = train("default");
  EXPECT_EQ(testing::graph_replays, 0);
  EXPECT_EQ(plain.graphs, 0u);
  const Trained replayed = train("reduce-overhead");
  EXPECT_EQ(testing::graph_replays, 4);
  EXPECT_EQ(replayed.graphs, 1u);
  expect_equal(replayed, plain);
}

// Nor does a mask come again: what is recorded reads the step and the sequences' numbers.
TEST(Emulation, ReplayedGraphsDrawTheDropoutOfTheirStep) {
  const Emulated emulated;
  const Trained plain = train("default", 0.25);
  const int before = testing::graph_replays;
  const Trained replayed = train("reduce-overhead", 0.25);
  EXPECT_EQ(testing::graph_replays, before + 4);
  EXPECT_EQ(replayed.graphs, 1u);
  expect_equal(replayed, plain);
}

// Where documents begin is found in the tokens of each replay.
TEST(Emulation, ReplayedGraphsFindTheDocumentsOfTheirTokens) {
  constexpr std::int64_t kEnd = 4;
  const Emulated emulated;
  for (const double dropout : {0.0, 0.25}) {
    const Trained plain = train("default", dropout, kEnd);
    const int before = testing::graph_replays;
    const Trained replayed = train("reduce-overhead", dropout, kEnd);
    EXPECT_EQ(testing::graph_replays, before + 4);
    EXPECT_EQ(replayed.graphs, 1u);
    expect_equal(replayed, plain);
    EXPECT_FALSE(at::equal(plain.all.back(), train("default", dropout).all.back()));
  }
}

TEST(Emulation, WhatCannotBeRecordedRunsPlainly) {
  const Emulated emulated;
  const Trained plain = train("default");
  testing::refuse_graphs = true;
  const int before = testing::graph_replays;
  const Trained refused = train("reduce-overhead");
  testing::refuse_graphs = false;
  EXPECT_EQ(testing::graph_replays, before);
  EXPECT_EQ(refused.graphs, 0u);
  expect_equal(refused, plain);
}

// An engine that records, and its micro-batches.
struct Recorder {
  EngineCase c;
  at::Generator g = testing::generator(1);
  Gpt model{c.model, c.vocabulary, 9, g};
  std::unique_ptr<Engine> engine;

  Recorder() {
    TrainConfig config = testing::config_of(c);
    config.system.compile_mode = "reduce-overhead";
    engine = make_tensor_engine(config, model, {c.device, c.type});
  }
  void accumulate(std::int64_t sequences, double gradient, const DropoutState& dropout = {}) {
    const at::Tensor x = at::randint(23, {sequences, 7}, g, at::kLong);
    engine->accumulate(x, x, {.per_token = 1, .gradient = gradient}, dropout);
  }
};

// Other micro-batches may follow, even where the engine's own part of the plan stays.
TEST(Emulation, ANewPlanForgetsWhatWasRecorded) {
  const Emulated emulated;
  EngineCase c;
  TrainConfig config = testing::config_of(c);
  config.system.compile_mode = "reduce-overhead";
  auto g = testing::generator(1);
  Gpt model(c.model, c.vocabulary, 9, g);
  const auto engine = make_tensor_engine(config, model, {c.device, c.type});
  const at::Tensor x = at::randint(23, {2, 7}, g, at::kLong);
  const auto three_steps = [&] {
    for (int step = 0; step < 3; ++step) {
      engine->accumulate(x, x, {}, {});
      engine->weights_changed();
    }
  };
  three_steps();
  EXPECT_EQ(engine->recorded_graphs(), 1u);
  engine->replan(plan_of(config.model, config.memory, c.vocabulary));
  EXPECT_EQ(engine->recorded_graphs(), 0u);
  three_steps();
  EXPECT_EQ(engine->recorded_graphs(), 1u);
}

// Until then a smaller last piece would need memory next to the graph of the others.
TEST(Emulation, NothingIsRecordedBeforeTwoStepsHaveShownTheirShapes) {
  const Emulated emulated;
  Recorder run;
  for (int step = 0; step < 2; ++step) {
    for (int piece = 0; piece < 4; ++piece) run.accumulate(/*sequences=*/2, /*gradient=*/1);
    run.accumulate(/*sequences=*/1, /*gradient=*/1);
    EXPECT_EQ(run.engine->recorded_graphs(), 0u);
    run.engine->weights_changed();
  }
  run.accumulate(2, 1);
  run.accumulate(1, 1);
  EXPECT_EQ(run.engine->recorded_graphs(), 2u);
}

// Float16's scale doubles now and then; the graphs of the one before would keep their memory.
TEST(Emulation, ANewLossScaleForgetsWhatWasRecorded) {
  const Emulated emulated;
  Recorder run;
  const auto three_steps = [&](double gradient) {
    for (int step = 0; step < 3; ++step) {
      run.accumulate(2, gradient);
      run.engine->weights_changed();
    }
  };
  three_steps(1);
  EXPECT_EQ(run.engine->recorded_graphs(), 1u);
  run.accumulate(2, 2);
  EXPECT_EQ(run.engine->recorded_graphs(), 0u);
  three_steps(2);
  EXPECT_EQ(run.engine->recorded_graphs(), 1u);
}

// What is no number in memory: the probability, the seed, and the steps' upper half.
TEST(Emulation, ANewDropoutForgetsWhatWasRecorded) {
  const Emulated emulated;
  const DropoutState before{
      .on = true, .p = 0.1, .seed = 1, .step = 5, .sequence_B = at::arange(2)};
  DropoutState seed = before, p = before, step = before, off = before;
  seed.seed = 2;
  p.p = 0.2;
  step.step += std::int64_t{1} << 32;
  off.on = false;
  for (const DropoutState& other : {seed, p, step, off}) {
    Recorder run;
    for (int at = 0; at < 3; ++at) {
      run.accumulate(2, 1, before);
      run.engine->weights_changed();
    }
    EXPECT_EQ(run.engine->recorded_graphs(), 1u);
    run.accumulate(2, 1, other);
    EXPECT_EQ(run.engine->recorded_graphs(), 0u);
  }
}

}  // namespace
}  // namespace gpt
