// The fused engine on the GPU against the eager one, on the same GPU and on the CPU.
#include <ATen/core/grad_mode.h>

#include "gpt/device/memory.h"
#include "gpt/model/engines.h"

#include "gpu.h"
#include "support/engine_cases.h"

namespace gpt {
namespace {

using testing::config_of;
using testing::engine_gradients;
using testing::EngineCase;
using testing::EngineResult;
using testing::expect_same;

class GpuTensorEngine : public testing::Gpu {
 protected:
  EngineCase wide_case() const {
    EngineCase c;
    c.device = cuda_;
    c.model.n_layer = 3;
    c.model.n_head = 4;
    c.model.n_embd = 256;
    c.model.bias = true;
    c.tokens = 128;
    c.vocabulary = 1000;
    return c;
  }

  static double worst(const EngineResult& result, const EngineResult& exact) {
    double largest = 0;
    for (std::size_t i = 0; i < exact.names.size(); ++i) {
      const at::Tensor& e = exact.gradients[i];
      largest = std::max(largest, ((result.gradients[i] - e).norm() / e.norm()).item<double>());
    }
    return largest;
  }
};

TEST_F(GpuTensorEngine, GradientsAreEagersOverTheOptions) {
  for (const bool bias : {false, true}) {
    for (const double dropout : {0.0, 0.25}) {
      for (const auto& [heads, width, tokens] : {std::tuple{2, 64, 32}, {1, 5, 1}, {3, 21, 13}}) {
        EngineCase c;
        c.model.bias = bias;
        c.model.gelu = bias ? "tanh" : "exact";
        c.model.dropout = dropout;
        c.model.n_head = heads;
        c.model.n_embd = width;
        c.tokens = tokens;
        const auto expected = engine_gradients(c, make_eager_engine);
        c.device = cuda_;
        expect_same(engine_gradients(c, make_tensor_engine), expected, 1e-5);
      }
    }
  }
}

TEST_F(GpuTensorEngine, LowPrecisionErrorsAreThoseOfEagerOnThisGpu) {
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    if (type == at::kBFloat16 && !device_facts().cuda_bf16()) continue;
    EngineCase c = wide_case();
    c.device = at::kCPU;
    c.type = at::kDouble;
    const auto exact = engine_gradients(c, make_eager_engine);
    c.device = cuda_;
    c.type = type;
    c.gradient_scale = type == at::kHalf ? 4096 : 1;
    const double ours = worst(engine_gradients(c, make_tensor_engine), exact);
    const double eagers = worst(engine_gradients(c, make_eager_engine), exact);
    EXPECT_LT(ours, 1.3 * eagers) << type;
    EXPECT_GT(ours, 1e-5) << "nothing was rounded: " << type;
  }
}

// Also says that the kernels give the same bits every time.
TEST_F(GpuTensorEngine, RecomputationChangesNoBit) {
  EngineCase c = wide_case();
  c.type = device_facts().cuda_bf16() ? at::kBFloat16 : at::kHalf;
  const auto run = [&](const char* level) {
    c.recompute = level;
    return engine_gradients(c, [](TrainConfig config, const Gpt& model, const Compute& compute) {
      config.system.deterministic = true;
      return make_tensor_engine(config, model, compute);
    });
  };
  set_arithmetic(/*deterministic=*/true);
  const auto kept = run("none");
  for (const char* level : {"none", "gelu", "norm", "mlp", "block"}) {
    const auto again = run(level);
    for (std::size_t i = 0; i < kept.names.size(); ++i)
      EXPECT_TRUE(at::equal(again.gradients[i], kept.gradients[i])) << level << kept.names[i];
  }
  at::globalContext().setDeterministicAlgorithms(false, /*warn_only=*/false);
  at::globalContext().setDeterministicCuDNN(false);
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
}

// Recorded in the third call of a shape, after two steps at the earliest; two shapes take turns, as
// with a last piece that is smaller, and work in the same memory. The replays must see new tokens,
// zeroed gradients and changed weights, and draw the dropout of their step.
TEST_F(GpuTensorEngine, ReplayedGraphsDoWhatTheLaunchesDid) {
  const EngineCase c = wide_case();
  const auto train = [&](const char* mode, double dropout) {
    TrainConfig config = config_of(c);
    config.system.compile_mode = mode;
    auto g = testing::generator(1);
    Gpt model(c.model, c.vocabulary, 130, g);
    model.to(cuda_);
    const auto type = device_facts().cuda_bf16() ? at::kBFloat16 : at::kHalf;
    const auto engine = make_tensor_engine(config, model, {cuda_, type});
    std::vector<at::Tensor> all;
    for (int step = 0; step < 14; ++step) {
      if (step % 2 == 0)
        for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = at::Tensor();
      const at::Tensor x = at::randint(1000, {step % 2 == 0 ? 3 : 2, 128}, g, at::kLong).to(cuda_);
      const DropoutState state{.on = dropout > 0,
                               .p = dropout,
                               .seed = 7,
                               .step = step / 2,
                               .sequence_B = at::arange(x.size(0)) + 3 * (step % 2)};
      all.push_back(engine->accumulate(x, x.flip(1), {.per_token = 1.0 / 640}, state).cpu());
      for (const Parameter& p : model.parameters()) all.push_back(p.tensor.grad().cpu());
      const at::NoGradGuard no_grad;
      for (const Parameter& p : model.parameters()) at::Tensor(p.tensor).sub_(p.tensor.grad());
      engine->weights_changed();
    }
    EXPECT_EQ(engine->recorded_graphs(), std::string(mode) == "default" ? 0u : 2u)
        << "or launches were compared with launches";
    return all;
  };
  for (const double dropout : {0.0, 0.2}) {
    const auto plain = train("default", dropout), replayed = train("reduce-overhead", dropout);
    for (std::size_t i = 0; i < plain.size(); ++i)
      EXPECT_LT(testing::relative_distance(replayed[i], plain[i]), 3e-2) << i << " " << dropout;
  }
}

// A model whose micro-batches, not its weights, take the memory.
class GpuTensorEngineMemory : public GpuTensorEngine {
 protected:
  struct Engined {
    std::unique_ptr<Gpt> model;
    std::unique_ptr<Engine> engine;
    at::Tensor x_BT;

    void step() const {
      for (const Parameter& p : model->parameters()) p.tensor.mutable_grad() = at::Tensor();
      engine->accumulate(x_BT, x_BT, {.per_token = 1e-4}, {});
      engine->weights_changed();
    }
  };

  Engined engined(const char* mode) const {
    EngineCase c = wide_case();
    TrainConfig config = config_of(c);
    config.system.compile_mode = mode;
    config.model.head_chunk.value = 1024;
    auto g = testing::generator(1);
    Engined all;
    all.model = std::make_unique<Gpt>(c.model, c.vocabulary, 512, g);
    all.model->to(cuda_);
    all.engine = make_tensor_engine(config, *all.model, {cuda_, at::kHalf});
    all.x_BT = at::randint(1000, {64, 512}, g, at::kLong).to(cuda_);
    return all;
  }

  std::uint64_t reserved() const { return memory_use(cuda_).now; }
};

// Plain calls cache their working memory; recorded ones keep it. Never both, and nothing after.
TEST_F(GpuTensorEngineMemory, GraphsTakeTheMemoryOfThePlainCallsAndGiveItBack) {
  release_cached_memory(cuda_);
  const std::uint64_t empty = reserved();
  constexpr std::uint64_t kSlack = std::uint64_t{192} << 20;  // two streams' workspaces
  std::uint64_t plain = 0;
  {
    const Engined all = engined("default");
    for (int step = 0; step < 4; ++step) all.step();
    plain = reserved() - empty;
  }
  release_cached_memory(cuda_);
  {
    const Engined all = engined("reduce-overhead");
    for (int step = 0; step < 5; ++step) all.step();
    ASSERT_EQ(all.engine->recorded_graphs(), 1u);
    EXPECT_LT(reserved() - empty, plain + kSlack);
    EXPECT_GT(plain, 4 * kSlack) << "too small a model to tell";
    all.step();  // under way while its memory goes
    all.engine->replan({.head_chunk = 512});
    release_cached_memory(cuda_);
    EXPECT_LT(reserved() - empty, plain / 2);
    for (int step = 0; step < 5; ++step) all.step();
    EXPECT_EQ(all.engine->recorded_graphs(), 1u);
  }
  release_cached_memory(cuda_);
  EXPECT_LT(reserved(), empty + kSlack);
}

// Memory that runs out while work is recorded: said, survived, and not tried again.
TEST_F(GpuTensorEngineMemory, ARecordingThatFindsNoMemoryLeavesTheAllocatorAsItWas) {
  release_cached_memory(cuda_);
  const Engined all = engined("reduce-overhead");
  all.step();
  all.step();
  limit_memory(cuda_, reserved() / 4 * 3);
  EXPECT_THROW(all.step(), c10::OutOfMemoryError) << "the plain call finds none, either";
  limit_memory(cuda_, 0);
  release_cached_memory(cuda_);
  for (int step = 0; step < 3; ++step) all.step();
  EXPECT_EQ(all.engine->recorded_graphs(), 0u);
  all.engine->release_memory();
  for (int step = 0; step < 3; ++step) all.step();
  EXPECT_EQ(all.engine->recorded_graphs(), 1u);
}

}  // namespace
}  // namespace gpt
