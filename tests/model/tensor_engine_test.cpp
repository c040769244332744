// The tensor engine on the CPU, by the kernels' ATen references, against the eager engine.
#include <ATen/core/grad_mode.h>

#include "gpt/model/engines.h"

#include "support/engine_cases.h"

namespace gpt {
namespace {

using testing::config_of;
using testing::engine_gradients;
using testing::EngineCase;
using testing::expect_same;

// Odd sizes: one head of width 5 and one token are allowed.
TEST(TensorEngine, GradientsAreEagersOverTheOptions) {
  for (const bool bias : {false, true}) {
    for (const char* gelu : {"exact", "tanh"}) {
      for (const double dropout : {0.0, 0.25}) {
        for (const auto& [heads, width, tokens] :
             {std::tuple{2, 16, 7}, std::tuple{1, 5, 1}, std::tuple{3, 21, 13}}) {
          EngineCase c;
          c.model.bias = bias;
          c.model.gelu = gelu;
          c.model.dropout = dropout;
          c.model.n_head = heads;
          c.model.n_embd = width;
          c.tokens = tokens;
          for (const auto& [type, tolerance] :
               {std::pair{at::kDouble, 1e-12}, std::pair{at::kFloat, 1e-5}}) {
            c.type = type;
            expect_same(engine_gradients(c, make_tensor_engine),
                        engine_gradients(c, make_eager_engine), tolerance,
                        std::string(gelu) + (bias ? " bias" : ""));
          }
        }
      }
    }
  }
}

// What is made again is made by the same kernels from the same numbers: the same bits.
TEST(TensorEngine, RecomputationChangesNoBit) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    EngineCase c;
    c.type = type;
    c.model.bias = true;
    c.model.dropout = 0.25;
    c.model.n_layer = 3;
    const auto kept = engine_gradients(c, make_tensor_engine);
    for (const char* level : {"gelu", "norm", "mlp", "block"}) {
      c.recompute = level;
      const auto again = engine_gradients(c, make_tensor_engine);
      EXPECT_TRUE(at::equal(again.losses, kept.losses)) << level;
      EXPECT_TRUE(at::equal(again.evaluated, kept.evaluated)) << level;
      for (std::size_t i = 0; i < kept.names.size(); ++i)
        EXPECT_TRUE(at::equal(again.gradients[i], kept.gradients[i]))
            << level << " " << kept.names[i];
    }
  }
}

TEST(TensorEngine, HeadChunksAndPlainAttentionToo) {
  EngineCase c;
  const auto expected = engine_gradients(c, make_eager_engine);
  for (const std::int64_t chunk : {1, 5, 21, 1000}) {
    c.model.head_chunk.value = chunk;
    expect_same(engine_gradients(c, make_tensor_engine), expected, 1e-5);
  }
  c.model.attention = "plain";
  expect_same(engine_gradients(c, make_tensor_engine), expected, 1e-5);
}

TEST(TensorEngine, DocumentsAsInEager) {
  for (const double p : {0.0, 0.25})
    for (const auto& [type, tolerance] : {std::pair{at::kDouble, 1e-12}, {at::kFloat, 1e-5}}) {
      EngineCase c;
      c.type = type;
      c.tokens = 40;
      c.model.dropout = p;
      const auto whole = engine_gradients(c, make_tensor_engine);
      c.document_end = 4;
      const auto documents = engine_gradients(c, make_tensor_engine);
      expect_same(documents, engine_gradients(c, make_eager_engine), tolerance);
      EXPECT_FALSE(testing::near(documents.losses, whole.losses, 1e-3));
    }
}

double worst(const testing::EngineResult& result, const testing::EngineResult& exact) {
  double largest = 0;
  for (std::size_t i = 0; i < exact.names.size(); ++i) {
    const at::Tensor& e = exact.gradients[i];
    largest = std::max(largest, ((result.gradients[i] - e).norm() / e.norm()).item<double>());
  }
  return largest;
}

// Rounding errors of bfloat16 products, measured against float64: no worse than autocast's by more
// than luck. (Random signs: 30 % either way over seeds.)
TEST(TensorEngine, LowPrecisionErrorsAreThoseOfEager) {
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    EngineCase c;
    c.model.n_embd = 64;
    c.tokens = 32;
    c.type = at::kDouble;
    const auto exact = engine_gradients(c, make_eager_engine);
    c.type = type;
    c.gradient_scale = type == at::kHalf ? 4096 : 1;
    const double ours = worst(engine_gradients(c, make_tensor_engine), exact);
    const double eagers = worst(engine_gradients(c, make_eager_engine), exact);
    EXPECT_LT(ours, 1.3 * eagers) << type;
    EXPECT_GT(ours, 1e-5) << "nothing was rounded: " << type;
  }
}

// The trainer drops the gradients after each step and after running out of memory; others may keep
// theirs.
TEST(TensorEngine, GradientsStartAtZeroWhereThereAreNone) {
  EngineCase c;
  auto g = testing::generator(1);
  Gpt model(c.model, c.vocabulary, 9, g);
  const auto engine = make_tensor_engine(config_of(c), model, {c.device, c.type});
  const at::Tensor x = at::randint(23, {3, 7}, g, at::kLong),
                   y = at::randint(23, {3, 7}, g, at::kLong);
  const auto pass = [&] { engine->accumulate(x, y, {}, {}); };
  const auto gradient = [&](std::size_t i) { return model.parameters()[i].tensor.grad(); };
  pass();
  const at::Tensor once = gradient(3).clone(), wte = gradient(0).clone();
  for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = at::Tensor();
  pass();
  EXPECT_TRUE(at::equal(gradient(3), once));
  model.parameters()[3].tensor.mutable_grad() = at::Tensor();
  pass();
  EXPECT_TRUE(at::equal(gradient(3), once));
  EXPECT_TRUE(testing::near(gradient(0), wte * 2, 1e-6));
}

// What ranks add up, and a norm is taken of: padding must not show in it, at first use or later.
TEST(TensorEngine, BetweenGradientsTheirBufferIsZero) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    EngineCase c;
    auto g = testing::generator(1);
    Gpt model(c.model, c.vocabulary, 9, g);
    const auto engine = make_tensor_engine(config_of(c), model, {c.device, type});
    const auto& parameters = model.parameters();
    const at::Tensor x = at::randint(23, {3, 7}, g, at::kLong);
    parameters[3].tensor.mutable_grad() = at::zeros_like(parameters[3].tensor);  // not ours
    engine->accumulate(x, x, {}, {});
    EXPECT_EQ(engine->gradient_buffers().size(), parameters.size());
    for (const std::size_t dropped : {3, 0}) {
      parameters[dropped].tensor.mutable_grad() = at::Tensor();
      engine->accumulate(x, x, {}, {});
      const auto buffers = engine->gradient_buffers();
      ASSERT_EQ(buffers.size(), 1u);
      std::int64_t nonzero = 0;
      for (const Parameter& p : parameters)
        nonzero += p.tensor.grad().count_nonzero().item<std::int64_t>();
      EXPECT_GT(nonzero, 0);
      EXPECT_EQ(buffers.front().count_nonzero().item<std::int64_t>(), nonzero) << type;
      EXPECT_EQ(buffers.front().numel() % 64, 0);
    }
  }
}

// Copies of the weights follow them only when the engine is told.
TEST(TensorEngine, WeightCopiesFollowTheOptimizer) {
  EngineCase c;
  auto g = testing::generator(1);
  Gpt model(c.model, c.vocabulary, 9, g);
  const auto engine = make_tensor_engine(config_of(c), model, {c.device, at::kBFloat16});
  const at::Tensor x = at::randint(23, {3, 7}, g, at::kLong);
  const at::Tensor before = engine->token_losses(x, x);
  {
    const at::NoGradGuard no_grad;
    model.parameters()[0].tensor.mul_(1.5);
  }
  engine->weights_changed();
  const at::Tensor after = engine->token_losses(x, x);
  EXPECT_FALSE(at::equal(before, after));
  EXPECT_TRUE(at::equal(
      after,
      make_tensor_engine(config_of(c), model, {c.device, at::kBFloat16})->token_losses(x, x)));
}

TEST(TensorEngine, ATooLongSequenceIsAnError) {
  EngineCase c;
  auto g = testing::generator(1);
  Gpt model(c.model, c.vocabulary, 9, g);
  const auto engine = make_tensor_engine(config_of(c), model, {c.device, c.type});
  EXPECT_THROW(engine->token_losses(at::zeros({1, 10}, at::kLong), at::zeros({1, 10}, at::kLong)),
               c10::Error);
}

}  // namespace
}  // namespace gpt
