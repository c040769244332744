// The CPU's fused engine against the eager one, in float32 and float64.
#include "../../src/model/cpu_engine.h"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "../../src/model/eager_engine.h"
#include "support/tensor_near.h"
#include "support/thread_count.h"

namespace gpt {
namespace {

struct Case {
  const char* name;
  std::int64_t layers = 2, heads = 2, width = 16, vocab = 23, block = 12, batch = 5, tokens = 12;
  bool bias = false;
  const char* gelu = "exact";
  double dropout = 0;
  std::int64_t head_chunk = 0;     // 0: all tokens
  std::int64_t document_end = -1;  // a token; -1: no documents
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.name;
}

ModelConfig config_of(const Case& c) {
  ModelConfig config;
  config.n_layer = c.layers;
  config.n_head = c.heads;
  config.n_embd = c.width;
  config.bias = c.bias;
  config.gelu = c.gelu;
  config.dropout = c.dropout;
  return config;
}

Plan plan_of(const Case& c) {
  return {.head_chunk = c.head_chunk ? c.head_chunk : 1000};
}

// Weights as a trained model has them: LayerNorms away from 1, biases away from 0, larger scores.
Gpt model_of(const Case& c) {
  auto generator = testing::generator(3);
  Gpt model(config_of(c), c.vocab, c.block, generator);
  const at::NoGradGuard no_grad;
  for (const Parameter& p : model.parameters()) {
    p.tensor.mul_(p.tensor.dim() >= 2 ? 4.0 : 1.0);
    p.tensor.add_(at::randn(p.tensor.sizes(), generator), p.tensor.dim() >= 2 ? 0.0 : 0.2);
  }
  return model;
}

struct Batch {
  at::Tensor x, y;
  DropoutState dropout;
};

Batch batch_of(const Case& c, int seed = 5) {
  auto generator = testing::generator(seed);
  Batch batch{at::randint(0, c.vocab, {c.batch, c.tokens}, generator, at::kLong),
              at::randint(0, c.vocab, {c.batch, c.tokens}, generator, at::kLong),
              {}};
  batch.y[0][c.tokens - 1] = -1;  // ignored
  batch.dropout = {.on = c.dropout > 0,
                   .p = c.dropout,
                   .seed = 1337,
                   .step = 7,
                   .sequence_B = at::arange(40, 40 + c.batch)};
  return batch;
}

struct Result {
  at::Tensor loss, evaluation;
  std::vector<at::Tensor> gradients;
};

Result result_of(Engine& engine, const Gpt& model, const Batch& batch) {
  for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = at::Tensor();
  Result result;
  result.evaluation = engine.token_losses(batch.x, batch.y);
  result.loss =
      engine.accumulate(batch.x, batch.y, {.per_token = 1.0 / 100, .gradient = 2.0}, batch.dropout);
  for (const Parameter& p : model.parameters()) result.gradients.push_back(p.tensor.grad().clone());
  return result;
}

// ||a - b|| / ||b||
double relative(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.to(at::kDouble), y = b.to(at::kDouble);
  const double norm = y.norm().item<double>();
  return (x - y).norm().item<double>() / (norm > 0 ? norm : 1);
}

Result eager(const Case& c, at::ScalarType weights, at::ScalarType products) {
  Gpt model = model_of(c);
  model.to(weights);
  EagerEngine engine(model, {c10::kCPU, products}, plan_of(c));
  if (c.document_end >= 0) engine.mask_documents(c.document_end);
  return result_of(engine, model, batch_of(c));
}

Result fused(const Case& c, at::ScalarType products, CpuEngine::Parallelism parallelism,
             Recompute recompute = Recompute::kNone) {
  const Gpt model = model_of(c);
  Plan plan = plan_of(c);
  plan.recompute = recompute;
  CpuEngine engine(config_of(c), model, {c10::kCPU, products}, plan, parallelism);
  if (c.document_end >= 0) engine.mask_documents(c.document_end);
  return result_of(engine, model, batch_of(c));
}

// Relative error of the losses of many batches, all together: a few tokens' would be chance.
double loss_error(Engine& engine, Engine& exact, const Case& c) {
  std::vector<at::Tensor> ours, true_ones;
  for (int seed = 0; seed < 60; ++seed) {
    const Batch batch = batch_of(c, seed);
    ours.push_back(engine.token_losses(batch.x, batch.y).to(at::kDouble));
    true_ones.push_back(exact.token_losses(batch.x, batch.y).to(at::kDouble));
  }
  return relative(at::cat(ours), at::cat(true_ones));
}

std::vector<std::string> names_of(const Case& c) {
  const Gpt model = model_of(c);
  std::vector<std::string> names;
  for (const Parameter& p : model.parameters()) names.push_back(p.name);
  return names;
}

const Case kCases[] = {
    {.name = "plain"},
    {.name = "bias", .bias = true},
    {.name = "tanh", .bias = true, .gelu = "tanh"},
    {.name = "dropout", .dropout = 0.3},
    {.name = "dropout_bias", .bias = true, .dropout = 0.2},
    {.name = "odd_sizes",
     .layers = 3,
     .heads = 3,
     .width = 21,
     .vocab = 17,
     .block = 19,
     .batch = 7,
     .tokens = 13,
     .bias = true,
     .dropout = 0.1,
     .head_chunk = 10},
    {.name = "long",
     .layers = 1,
     .heads = 2,
     .width = 24,
     .vocab = 40,
     .block = 200,
     .batch = 2,
     .tokens = 150},
    {.name = "one_token", .batch = 3, .tokens = 1},
    {.name = "one_sequence", .batch = 1, .bias = true},
    {.name = "wide_head", .heads = 1, .width = 80, .vocab = 300, .head_chunk = 7},
    // Wide and long enough for our own products (gpt/kernels/gemm_backend.h), packed weights and
    // several blocks of attention.
    {.name = "native_gemm",
     .width = 96,
     .vocab = 65,
     .block = 180,
     .batch = 5,
     .tokens = 170,
     .bias = true,
     .dropout = 0.1},
    {.name = "documents", .batch = 7, .dropout = 0.2, .document_end = 5},
    {.name = "long_documents",
     .width = 96,
     .vocab = 65,
     .block = 180,
     .batch = 5,
     .tokens = 170,
     .dropout = 0.1,
     .document_end = 5},
};

class CpuEngineOn : public ::testing::TestWithParam<Case> {};

constexpr CpuEngine::Parallelism kBothWays[] = {CpuEngine::Parallelism::kOverSequences,
                                                CpuEngine::Parallelism::kWithinLayers};

TEST_P(CpuEngineOn, Float32IsTheEagerEngines) {
  const Case& c = GetParam();
  const Result exact = eager(c, at::kDouble, at::kFloat);
  const Result plain = eager(c, at::kFloat, at::kFloat);
  const auto names = names_of(c);
  for (const auto parallelism : kBothWays) {
    const Result ours = fused(c, at::kFloat, parallelism);
    EXPECT_TRUE(testing::near(ours.loss, exact.loss, 2e-6));
    EXPECT_TRUE(testing::near(ours.evaluation, exact.evaluation, 2e-6));
    for (std::size_t i = 0; i < names.size(); ++i) {
      EXPECT_LE(relative(ours.gradients[i], exact.gradients[i]), 1e-5) << names[i];
      EXPECT_LE(relative(ours.gradients[i], plain.gradients[i]), 1e-5) << names[i];
    }
  }
}

TEST_P(CpuEngineOn, BFloat16IsAsNearToFloat64AsTheEagerEngines) {
  const Case& c = GetParam();
  const Result exact = eager(c, at::kDouble, at::kFloat);
  const Result plain = eager(c, at::kFloat, at::kBFloat16);
  const auto names = names_of(c);
  for (const auto parallelism : kBothWays) {
    const Result ours = fused(c, at::kBFloat16, parallelism);
    EXPECT_LE(relative(ours.loss, exact.loss), 2 * relative(plain.loss, exact.loss) + 1e-6);
    // Of a tensor of 16 elements either error is a small sample, so they are compared all together,
    // and one by one only coarsely.
    double our_errors = 0, plain_errors = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const double mine = relative(ours.gradients[i], exact.gradients[i]);
      const double other = relative(plain.gradients[i], exact.gradients[i]);
      EXPECT_LE(mine, 2 * other) << names[i];
      our_errors += mine * mine;
      plain_errors += other * other;
    }
    EXPECT_LE(std::sqrt(our_errors), 1.1 * std::sqrt(plain_errors));
  }
}

TEST_P(CpuEngineOn, BFloat16LossesAreAsNearToFloat64AsTheEagerEngines) {
  const Case& c = GetParam();
  const Gpt model = model_of(c);
  Gpt wide = model_of(c);
  wide.to(at::kDouble);
  const Compute low{c10::kCPU, at::kBFloat16};
  EagerEngine exact(wide, {c10::kCPU, at::kFloat}, plan_of(c)), plain(model, low, plan_of(c));
  for (EagerEngine* eager : {&exact, &plain})
    if (c.document_end >= 0) eager->mask_documents(c.document_end);
  const double theirs = loss_error(plain, exact, c);
  for (const auto parallelism : kBothWays) {
    CpuEngine engine(config_of(c), model, low, plan_of(c), parallelism);
    if (c.document_end >= 0) engine.mask_documents(c.document_end);
    EXPECT_LE(loss_error(engine, exact, c), 1.1 * theirs);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, CpuEngineOn, ::testing::ValuesIn(kCases),
                         [](const auto& test) { return std::string(test.param.name); });

// What it keeps of the weights (bfloat16 copies, packed ones) follows them.
TEST(CpuEngine, SeesTheWeightsAsTheyAreNow) {
  const Case c{.name = "", .width = 96, .block = 80, .batch = 5, .tokens = 70};
  const Batch batch = batch_of(c);
  for (const at::ScalarType products : {at::kFloat, at::kBFloat16}) {
    const Compute compute{c10::kCPU, products};
    Gpt model = model_of(c);
    CpuEngine engine(config_of(c), model, compute, plan_of(c));
    const at::Tensor before = engine.token_losses(batch.x, batch.y);
    for (const Parameter& p : model.parameters()) {
      const at::NoGradGuard no_grad;
      p.tensor.mul_(1.25);
    }
    engine.weights_changed();
    const at::Tensor now = engine.token_losses(batch.x, batch.y);
    CpuEngine fresh(config_of(c), model, compute, plan_of(c));
    EXPECT_TRUE(at::equal(now, fresh.token_losses(batch.x, batch.y)));
    EXPECT_FALSE(at::equal(now, before));
    engine.release_memory();
    EXPECT_TRUE(at::equal(now, engine.token_losses(batch.x, batch.y)));
  }
}

TEST(CpuEngine, GradientsOfMicroBatchesAddUp) {
  const Case c{.name = "", .dropout = 0.2};
  const Batch batch = batch_of(c);
  for (const auto parallelism : kBothWays) {
    const Gpt model = model_of(c);
    CpuEngine engine(config_of(c), model, {c10::kCPU, at::kFloat}, plan_of(c), parallelism);
    const Result whole = result_of(engine, model, batch);
    for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = at::Tensor();
    for (const auto& [first, count] :
         {std::pair<std::int64_t, std::int64_t>{0, 2}, {2, 1}, {3, 2}}) {
      DropoutState dropout = batch.dropout;
      dropout.sequence_B = dropout.sequence_B.narrow(0, first, count);
      engine.accumulate(batch.x.narrow(0, first, count), batch.y.narrow(0, first, count),
                        {.per_token = 1.0 / 100, .gradient = 2.0}, dropout);
    }
    for (std::size_t i = 0; i < whole.gradients.size(); ++i)
      EXPECT_LE(relative(model.parameters()[i].tensor.grad(), whole.gradients[i]), 2e-6)
          << model.parameters()[i].name;
  }
}

TEST(CpuEngine, AddsToGradientsThatAreNotItsOwn) {
  const Case c{.name = ""};
  const Gpt model = model_of(c);
  CpuEngine engine(config_of(c), model, {c10::kCPU, at::kFloat}, plan_of(c));
  const Result alone = result_of(engine, model, batch_of(c));
  for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = at::ones_like(p.tensor);
  engine.accumulate(batch_of(c).x, batch_of(c).y, {.per_token = 1.0 / 100, .gradient = 2.0}, {});
  for (std::size_t i = 0; i < alone.gradients.size(); ++i)
    EXPECT_TRUE(testing::near(model.parameters()[i].tensor.grad(), alone.gradients[i] + 1, 1e-6));
}

TEST(CpuEngine, SeesNewWeightsOnceItIsTold) {
  const Case c{.name = ""};
  const Gpt model = model_of(c);
  const Batch batch = batch_of(c);
  CpuEngine engine(config_of(c), model, {c10::kCPU, at::kBFloat16}, plan_of(c));
  const at::Tensor before = engine.token_losses(batch.x, batch.y);
  {
    const at::NoGradGuard no_grad;
    for (const Parameter& p : model.parameters()) p.tensor.mul_(0.5);
  }
  engine.weights_changed();
  const at::Tensor after = engine.token_losses(batch.x, batch.y);
  CpuEngine fresh(config_of(c), model, {c10::kCPU, at::kBFloat16}, plan_of(c));
  EXPECT_FALSE(at::equal(before, after));
  EXPECT_TRUE(at::equal(fresh.token_losses(batch.x, batch.y), after));
}

TEST(CpuEngine, TheSameBitsEveryTime) {
  const Case c{.name = "", .batch = 9, .bias = true, .dropout = 0.1};
  for (const auto parallelism : kBothWays) {
    const Result first = fused(c, at::kFloat, parallelism);
    for (int again = 0; again < 5; ++again) {
      const Result other = fused(c, at::kFloat, parallelism);
      for (std::size_t i = 0; i < first.gradients.size(); ++i)
        EXPECT_TRUE(at::equal(first.gradients[i], other.gradients[i])) << i;
    }
  }
}

TEST_P(CpuEngineOn, EveryRecomputeLevelGivesTheSameBits) {
  const Case& c = GetParam();
  const auto names = names_of(c);
  for (const auto products : {at::kFloat, at::kBFloat16})
    for (const auto parallelism : kBothWays) {
      const Result kept = fused(c, products, parallelism);
      for (const Recompute level : kRecomputeLevels) {
        const Result again = fused(c, products, parallelism, level);
        EXPECT_TRUE(at::equal(again.loss, kept.loss)) << recompute_name(level);
        for (std::size_t i = 0; i < names.size(); ++i)
          EXPECT_TRUE(at::equal(again.gradients[i], kept.gradients[i]))
              << names[i] << ", recompute " << recompute_name(level);
      }
    }
}

// One sequence is shared by all threads, several are dealt out: the gradients continue all the
// same.
void add_up(int threads) {
  const testing::ThreadCount team_of(threads);
  const Case c{.name = "", .bias = true};
  const Batch batch = batch_of(c);
  const Gpt model = model_of(c), other = model_of(c);
  CpuEngine engine(config_of(c), model, {c10::kCPU, at::kFloat}, plan_of(c));
  EagerEngine eager(other, {c10::kCPU, at::kFloat}, plan_of(c));
  for (const auto& [first, count] :
       {std::pair<std::int64_t, std::int64_t>{0, 1}, {1, 3}, {4, 1}, {0, 5}})
    for (Engine* one : {static_cast<Engine*>(&engine), static_cast<Engine*>(&eager)})
      one->accumulate(batch.x.narrow(0, first, count), batch.y.narrow(0, first, count), {}, {});
  for (std::size_t i = 0; i < model.parameters().size(); ++i)
    EXPECT_LE(relative(model.parameters()[i].tensor.grad(), other.parameters()[i].tensor.grad()),
              1e-5)
        << model.parameters()[i].name;
}

TEST(CpuEngine, BatchesOfFewAndOfManySequencesAddUp) {
  for (const int threads : {1, 2, 3, 4, 9}) {
    SCOPED_TRACE(threads);
    add_up(threads);
  }
}

// Recomputation keeps no packed weights, so the threads pack them; the head's take several blocks,
// by columns forward and by inner indices backward.
TEST(CpuEngine, ACrewThatPacksTogetherComputesTheSame) {
  const Case c{.name = "", .width = 64, .vocab = 20011, .block = 30, .batch = 2, .tokens = 29};
  for (const int threads : {2, 3, 5}) {
    const testing::ThreadCount team_of(threads);
    for (const auto products : {at::kFloat, at::kBFloat16}) {
      SCOPED_TRACE(concat(threads, " threads, ", toString(products)));
      const Result kept = fused(c, products, CpuEngine::Parallelism::kWithinLayers);
      const Result shared =
          fused(c, products, CpuEngine::Parallelism::kWithinLayers, Recompute::kGelu);
      EXPECT_LE(relative(shared.loss, kept.loss), 1e-6);
      for (std::size_t i = 0; i < kept.gradients.size(); ++i)
        EXPECT_LE(relative(shared.gradients[i], kept.gradients[i]), 1e-5) << i;
    }
  }
}

TEST(CpuEngine, ReplansBetweenBatches) {
  const Case c{.name = "", .layers = 3};
  const Gpt model = model_of(c);
  const Batch batch = batch_of(c);
  CpuEngine engine(config_of(c), model, {c10::kCPU, at::kFloat}, plan_of(c));
  const Result before = result_of(engine, model, batch);
  engine.replan({.recompute = Recompute::kBlock, .head_chunk = 3});
  const Result after = result_of(engine, model, batch);
  for (std::size_t i = 0; i < before.gradients.size(); ++i)
    EXPECT_LE(relative(after.gradients[i], before.gradients[i]), 2e-6) << i;
}

TEST(CpuEngine, TokensOutsideTheVocabularyAreErrors) {
  const Case c{.name = ""};
  const Gpt model = model_of(c);
  CpuEngine engine(config_of(c), model, {c10::kCPU, at::kFloat}, plan_of(c));
  Batch batch = batch_of(c);
  batch.y[1][2] = 23;
  EXPECT_THROW(engine.token_losses(batch.x, batch.y), c10::IndexError);
  batch.y[1][2] = -2;
  EXPECT_THROW(engine.accumulate(batch.x, batch.y, {}, {}), c10::IndexError);
  const at::Tensor long_T = at::zeros({1, 13}, at::kLong);
  EXPECT_THROW(engine.token_losses(long_T, long_T), c10::Error);
}

}  // namespace
}  // namespace gpt
