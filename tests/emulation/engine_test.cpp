// The GPU engine through its kernels' own sources, against the eager engine.
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
    const auto actual = engine_gradients(c, make_gpu_engine);
    EXPECT_GT(emulation::counts().launches, before + 30);
    expect_same(actual, expected, bias ? 1e-5 : 1e-12);
  }
}

// Recorded after two calls, replayed with new tokens and into gradients that were zeroed: the same
// as never recorded.
TEST(Emulation, ReplayedGraphsSeeNewTokensAndOldGradients) {
  const Emulated emulated;
  EngineCase c;
  c.model.n_layer = 1;
  const auto train = [&](const char* mode) {
    TrainConfig config = testing::config_of(c);
    config.system.compile_mode = mode;
    auto g = testing::generator(1);
    Gpt model(c.model, c.vocabulary, 9, g);
    const auto engine = make_gpu_engine(config, model, {c.device, c.type});
    std::vector<at::Tensor> all;
    for (int step = 0; step < 6; ++step) {
      if (step % 2 == 0)
        for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = at::Tensor();
      const at::Tensor x = at::randint(23, {2, 7}, g, at::kLong);
      all.push_back(engine->accumulate(x, x.flip(1), {}, {}));
      for (const Parameter& p : model.parameters()) all.push_back(p.tensor.grad().clone());
    }
    return all;
  };
  const auto plain = train("default");
  EXPECT_EQ(testing::graph_replays, 0);
  const auto replayed = train("reduce-overhead");
  EXPECT_EQ(testing::graph_replays, 4);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_TRUE(at::equal(replayed[i], plain[i])) << i;
}

}  // namespace
}  // namespace gpt
