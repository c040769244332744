// Optimizer state in the host's memory: the run is the same, and so are its checkpoints.
#include <gtest/gtest.h>

#include "gpt/model/engines.h"
#include "gpt/optim/adamw.h"

#include "support/stopped_run.h"
#include "support/thread_count.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

// A run of 24 steps that is stopped after `first` and continues elsewhere; 0: it is not.
std::uint32_t trained(const char* before, const char* after, std::int64_t first) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.optimizer.max_iters = 23;
  return testing::trained_in_parts(config, before, after, first);
}

TEST(Offload, NeitherARunNorItsCheckpointsShowWhereTheMomentsWere) {
  const testing::ThreadCount one(1);
  const std::uint32_t resident = trained("off", "off", 0);
  EXPECT_EQ(trained("on", "on", 0), resident);
  EXPECT_EQ(trained("on", "on", 13), resident);
  EXPECT_EQ(trained("on", "off", 13), resident);
  EXPECT_EQ(trained("off", "on", 13), resident);
}

// Losses of five steps of the tensor engine in bfloat16, then the weights, all in one row.
at::Tensor trained_by_tensor_engine(Offload offload) {
  TrainConfig config;
  config.model.n_layer = 2, config.model.n_head = 2, config.model.n_embd = 48;
  config.model.bias = true;
  config.memory.optimizer_offload = offload_name(offload);
  at::Generator generator = at::detail::createCPUGenerator(5);
  Gpt model(config.model, /*vocab_size=*/61, /*block_size=*/16, generator);
  const c10::Device cpu(c10::kCPU);
  model.to(cpu, offload);
  const std::vector<at::Tensor> weights = tensors_of(model.parameters());
  AdamW optimizer(weights, config.optimizer, offload, /*buffer=*/3000);
  const auto engine = make_tensor_engine(config, model, {cpu, at::kBFloat16});
  std::vector<at::Tensor> row;
  for (int step = 0; step < 5; ++step) {
    for (const Parameter& parameter : model.parameters())
      parameter.tensor.mutable_grad() = at::Tensor();
    const at::Tensor x_BT = at::randint(61, {4, 16}, generator, at::kLong);
    const at::Tensor y_BT = at::randint(61, {4, 16}, generator, at::kLong);
    row.push_back(engine->accumulate(x_BT, y_BT, {.per_token = 1.0 / 64}, {}));
    const at::Tensor norm = optimizer.gradient_norm();
    row.push_back(norm.view({1}));
    optimizer.step(1e-2, at::full({}, step == 3 ? 1.0 : 0.0), 1 / norm);
    engine->weights_changed();
    row.push_back(engine->token_losses(x_BT, y_BT));
    if (step == 1) engine->release_memory();  // as after a failed allocation
  }
  for (const at::Tensor& weight : weights) row.push_back(weight.detach().flatten());
  return at::cat(row);
}

TEST(Offload, TheTensorEngineGivesTheSameBitsWithItsWeightsOnTheHost) {
  const at::Tensor resident = trained_by_tensor_engine(Offload::kOff);
  EXPECT_TRUE(at::isfinite(resident).all().item<bool>());
  EXPECT_FALSE(at::equal(resident.narrow(0, 0, 64), resident.narrow(0, 2 * 129, 64)));
  EXPECT_TRUE(at::equal(trained_by_tensor_engine(Offload::kMoments), resident));
  EXPECT_TRUE(at::equal(trained_by_tensor_engine(Offload::kWeights), resident));
}

}  // namespace
}  // namespace gpt
