// Documents in a sequence: what a token attends to, by every engine.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gpt/model/engines.h"
#include "gpt/model/evaluation_engine.h"

#include "support/engine_cases.h"

namespace gpt {
namespace {

using testing::config_of;
using testing::EngineCase;
using testing::near;

constexpr std::int64_t kEnd = 9, kTokens = 90;

EngineCase case_of(at::ScalarType type) {
  EngineCase c;
  c.type = type;
  c.tokens = kTokens;
  c.batch = 3;
  return c;
}

struct Engines {
  explicit Engines(const EngineCase& c)
      : model([&] {
          auto g = testing::generator(1);
          return Gpt(c.model, c.vocabulary, c.tokens, g);
        }()) {
    const TrainConfig config = config_of(c);
    const Compute compute{c.device, c.type};
    all.push_back(make_eager_engine(config, model, compute));
    all.push_back(make_cpu_engine(config, model, compute));
    all.push_back(make_tensor_engine(config, model, compute));
    all.push_back(std::make_unique<EvaluationEngine>(make_cpu_engine(config, model, compute),
                                                     config, model, c.device));
    for (const auto& engine : all) engine->mask_documents(kEnd);
  }
  Gpt model;
  std::vector<std::unique_ptr<Engine>> all;
};

// Tokens without an end, but at the given places.
at::Tensor tokens_with_ends(std::int64_t batch, const std::vector<std::int64_t>& ends) {
  auto g = testing::generator(7);
  const at::Tensor x = at::randint(kEnd, {batch, kTokens}, g, at::kLong);
  for (const std::int64_t end : ends) x.select(1, end).fill_(kEnd);
  return x;
}

at::Tensor losses(Engine& engine, const at::Tensor& x_BT) {
  return engine.token_losses(x_BT, x_BT.roll(-1, 1)).view_as(x_BT);
}

TEST(DocumentMask, ADocumentAtTheStartIsAsItIsAlone) {
  constexpr std::int64_t kFirst = 30;
  const Engines engines(case_of(at::kFloat));
  const at::Tensor x = tokens_with_ends(3, {kFirst - 1, 70});
  for (const auto& engine : engines.all) {
    const at::Tensor whole = losses(*engine, x).narrow(1, 0, kFirst - 1);
    const at::Tensor alone = losses(*engine, x.narrow(1, 0, kFirst).contiguous());
    EXPECT_TRUE(near(whole, alone.narrow(1, 0, kFirst - 1), 1e-5));
  }
}

// Positions stay, so that no document after the first is as it is alone: but nothing in it depends
// on what is before it.
TEST(DocumentMask, NothingReachesAcrossAnEnd) {
  const Engines engines(case_of(at::kFloat));
  const at::Tensor x = tokens_with_ends(2, {20, 64, 65});
  at::Tensor other = x.clone();
  other.narrow(1, 0, 20).copy_((x.narrow(1, 0, 20) + 3) % kEnd);
  for (const auto& engine : engines.all) {
    const at::Tensor before = losses(*engine, x), after = losses(*engine, other);
    EXPECT_TRUE(at::equal(before.narrow(1, 21, 68), after.narrow(1, 21, 68)));
    EXPECT_FALSE(near(before.narrow(1, 10, 11), after.narrow(1, 10, 11), 1e-3));
    // The end token is the last that sees its document.
    EXPECT_FALSE(at::equal(before.select(1, 20), after.select(1, 20)));
  }
}

TEST(DocumentMask, WithoutAnEndInItASequenceIsWhole) {
  const EngineCase c = case_of(at::kFloat);
  const Engines engines(c);
  const at::Tensor x = tokens_with_ends(3, {});
  const auto plain = make_cpu_engine(config_of(c), engines.model, {c.device, c.type});
  EXPECT_TRUE(at::equal(losses(*engines.all[1], x), losses(*plain, x)));
}

TEST(DocumentMask, MicroBatchesAddUp) {
  EngineCase c = case_of(at::kFloat);
  c.model.dropout = 0.2;
  const Engines engines(c);
  const at::Tensor x = tokens_with_ends(3, {11, 12, 80}), y = x.roll(-1, 1);
  const auto gradients = [&](Engine& engine, std::int64_t piece) {
    for (const Parameter& p : engines.model.parameters()) p.tensor.mutable_grad() = at::Tensor();
    for (std::int64_t first = 0; first < 3; first += piece) {
      DropoutState dropout = testing::dropout_of(c);
      dropout.sequence_B = dropout.sequence_B.narrow(0, first, piece);
      engine.accumulate(x.narrow(0, first, piece), y.narrow(0, first, piece), {}, dropout);
    }
    std::vector<at::Tensor> all;
    for (const Parameter& p : engines.model.parameters()) all.push_back(p.tensor.grad().clone());
    return all;
  };
  for (const auto& engine : engines.all) {
    const auto whole = gradients(*engine, 3), pieces = gradients(*engine, 1);
    for (std::size_t i = 0; i < whole.size(); ++i)
      EXPECT_TRUE(near(pieces[i], whole[i], 1e-5)) << engines.model.parameters()[i].name;
  }
}

TEST(DocumentMask, InBfloat16EnginesAgreeToItsRounding) {
  EngineCase c = case_of(at::kBFloat16);
  c.document_end = kEnd;
  const auto eager = engine_gradients(c, make_eager_engine);
  for (const auto& make : {make_cpu_engine, make_tensor_engine})
    expect_same(engine_gradients(c, make), eager, 0.05);
}

}  // namespace
}  // namespace gpt
