// Blocks that run again in backward against plain autograd, bit for bit.
#include <gtest/gtest.h>

#include "gpt/device/cpu_memory.h"
#include "gpt/model/engine.h"

#include "support/tensor_near.h"

namespace gpt {
namespace {

struct Case {
  bool bias;
  double dropout;
  const char* gelu;
  at::ScalarType type, compute;
};

TrainConfig config_of(const Case& c) {
  TrainConfig config;
  config.model.n_layer = 3;
  config.model.n_head = 2;
  config.model.n_embd = 32;
  config.model.bias = c.bias;
  config.model.dropout = c.dropout;
  config.model.gelu = c.gelu;
  config.system.compile = false;
  return config;
}

struct Result {
  std::vector<at::Tensor> gradients;
  at::Tensor losses;
};

// Two micro-batches, so that gradients are made and added to.
Result accumulated(const Case& c, Recompute level) {
  const TrainConfig config = config_of(c);
  auto g = testing::generator(5);
  Gpt model(config.model, /*vocab_size=*/31, /*block_size=*/24, g);
  model.to(c.type);
  const auto engine = make_engine(config, model, {c10::Device(c10::kCPU), c.compute});
  engine->replan({.recompute = level, .head_chunk = 17});
  const at::Tensor x = at::randint(31, {5, 24}, g), y = at::randint(31, {5, 24}, g);
  std::vector<at::Tensor> losses;
  for (const auto& [first, count] : {std::pair{0, 3}, {3, 2}}) {
    const DropoutState dropout{.on = c.dropout > 0,
                               .p = c.dropout,
                               .seed = 3,
                               .step = 11,
                               .sequence_B = at::arange(first, first + count)};
    losses.push_back(engine->accumulate(x.narrow(0, first, count), y.narrow(0, first, count),
                                        {.per_token = 1.0 / 120}, dropout));
  }
  Result result{.gradients = {}, .losses = at::cat(losses)};
  for (const Parameter& p : model.parameters()) result.gradients.push_back(p.tensor.grad());
  return result;
}

TEST(RecomputedBlock, GivesAutogradsBits) {
  for (const Case& c : {Case{false, 0.0, "exact", at::kFloat, at::kFloat},
                        Case{true, 0.0, "tanh", at::kFloat, at::kFloat},
                        Case{true, 0.3, "exact", at::kFloat, at::kFloat},
                        Case{true, 0.3, "exact", at::kDouble, at::kFloat},
                        Case{true, 0.0, "exact", at::kFloat, at::kBFloat16},
                        Case{false, 0.2, "tanh", at::kFloat, at::kBFloat16}}) {
    const Result plain = accumulated(c, Recompute::kNone);
    for (const Recompute level : {Recompute::kNone, Recompute::kBlock}) {
      const Result again = accumulated(c, level);
      SCOPED_TRACE(std::string(recompute_name(level)) + " bias " + std::to_string(c.bias) +
                   " dropout " + std::to_string(c.dropout) + " " + c.gelu + " " +
                   c10::toString(c.type) + " " + c10::toString(c.compute));
      EXPECT_TRUE(at::equal(again.losses, plain.losses));
      for (std::size_t i = 0; i < plain.gradients.size(); ++i)
        EXPECT_TRUE(at::equal(again.gradients[i], plain.gradients[i]))
            << "gradient " << i << " is off by "
            << testing::distance(again.gradients[i], plain.gradients[i]);
    }
  }
}

// Per token and block, in float32: without recomputation what autograd saves (the block's input and
// middle; q, k, v and attention's output; the outputs of c_fc and GELU; two LayerNorms with 16
// bytes of statistics; attention's log-sums, 4 H), else the input alone.
TEST(RecomputedBlock, KeepsItsInputAlone) {
  install_cpu_memory();
  ModelConfig config;
  config.n_layer = 4;
  config.n_head = 2;
  config.n_embd = 64;
  auto g = testing::generator(5);
  const Gpt model(config, /*vocab_size=*/31, /*block_size=*/64, g);
  const std::int64_t N = 8 * 64, C = 64, H = 2;
  const at::Tensor x = at::randint(31, {8, 64}, g);
  const auto expect = [&](bool recompute_blocks, std::int64_t bytes_per_token_and_block) {
    const std::uint64_t before = cpu_memory_now();
    const at::Tensor out = model.forward(x, {}, recompute_blocks);
    const auto measured = static_cast<double>(cpu_memory_now() - before);
    // Next to the blocks: embedding sum, last LayerNorm's output, tokens and statistics.
    const double blocks = static_cast<double>(4 * N * bytes_per_token_and_block);
    const double rest = static_cast<double>(N * (4 * C + 4 * C + 8));
    EXPECT_NEAR(measured, blocks + rest, 0.01 * (blocks + rest)) << recompute_blocks;
  };
  expect(true, 4 * C);
  expect(false, 4 * C + 4 * C + 4 * (3 * C + C + H) + 16 * C + 8 * C + 16 + 16 * C);
}

}  // namespace
}  // namespace gpt
