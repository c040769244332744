// 64 sequences in pieces of any size: the same gradients, the same curve.
#include <gtest/gtest.h>

#include "support/tensor_near.h"
#include "support/thread_count.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::near;
using testing::TempDir;
using testing::ThreadCount;
using testing::tiny_config;
using testing::TinyRun;

class Split : public ::testing::TestWithParam<bool> {
 protected:
  TrainConfig config(double dropout) const {
    TrainConfig config = tiny_config(dir_);
    config.system.compile = GetParam();
    config.data.batch_size = 16;
    config.data.gradient_accumulation_steps = 4;
    config.model.dropout = dropout;
    config.io.eval_interval = 100000;
    return config;
  }

  TempDir dir_;
  const ThreadCount one_{1};
};

std::vector<at::Tensor> gradients(Engine& engine, const Gpt& model, std::int64_t piece,
                                  double dropout) {
  auto g = testing::generator(9);
  const std::int64_t B = 64, T = 16;
  const at::Tensor x = at::randint(61, {B, T}, g), y = at::randint(61, {B, T}, g);
  for (const Parameter& p : model.parameters()) p.tensor.mutable_grad() = at::Tensor();
  for (std::int64_t first = 0; first < B; first += piece) {
    const std::int64_t count = std::min(piece, B - first);
    const DropoutState state{.on = dropout > 0,
                             .p = dropout,
                             .seed = 7,
                             .step = 2,
                             .sequence_B = at::arange(first, first + count)};
    engine.accumulate(x.narrow(0, first, count), y.narrow(0, first, count),
                      {.per_token = 1.0 / static_cast<double>(B * T)}, state);
  }
  std::vector<at::Tensor> list;
  for (const Parameter& p : model.parameters()) list.push_back(p.tensor.grad().clone());
  return list;
}

// 64 = 27 + 27 + 10 and 7 * 9 + 1 among them.
TEST_P(Split, GradientsAgreeToTheOrderOfSummation) {
  for (const double dropout : {0.0, 0.2}) {
    for (const auto type : {at::kFloat, at::kDouble}) {
      if (type == at::kDouble && GetParam()) continue;  // float64 is for the eager engine
      TinyRun run(config(dropout));
      run.model.to(type);
      const double tolerance = type == at::kDouble ? 1e-15 : 2e-7;
      const auto whole = gradients(*run.engine, run.model, 64, dropout);
      for (const std::int64_t piece : {27, 16, 7, 1}) {
        const auto parts = gradients(*run.engine, run.model, piece, dropout);
        for (std::size_t i = 0; i < whole.size(); ++i)
          EXPECT_TRUE(near(parts[i], whole[i], tolerance))
              << run.model.parameters()[i].name << " in pieces of " << piece << ", dropout "
              << dropout << ", " << c10::toString(type);
      }
    }
  }
}

TEST_P(Split, CurvesOfFiftyStepsAgree) {
  const auto curve = [&](std::int64_t micro, const char* recompute) {
    TrainConfig c = config(0.1);
    c.data.micro_batch_size.value = micro;
    c.memory.recompute = recompute;
    TinyRun run(c);
    std::vector<double> losses;
    for (int i = 0; i < 50; ++i) losses.push_back(run.trainer.step().mean_loss);
    return losses;
  };
  const auto whole = curve(64, "none");
  EXPECT_LT(whole.back(), whole.front() - 1);
  for (const std::int64_t micro : {27, 16, 7}) {
    const auto parts = curve(micro, "none");
    for (std::size_t i = 0; i < whole.size(); ++i)
      EXPECT_NEAR(parts[i], whole[i], 5e-5) << "step " << i << " in pieces of " << micro;
  }
  for (const char* level : {"gelu", "norm", "mlp", "block"})
    EXPECT_EQ(curve(64, level), whole) << level;
}

INSTANTIATE_TEST_SUITE_P(Engines, Split, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "Compiled" : "Eager"; });

}  // namespace
}  // namespace gpt
