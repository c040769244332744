#include <set>

#include "run.h"

namespace gpt {
namespace {

using testing::GpuRun;
using testing::small_config;
using testing::TempDir;

class GpuResume : public testing::Gpu {
 protected:
  void SetUp() override {
    testing::Gpu::SetUp();
    if (!IsSkipped()) set_arithmetic(/*deterministic=*/true);
  }
  // The switches are the process's: the next test gets them as it would have found them.
  void TearDown() override {
    at::globalContext().setDeterministicAlgorithms(false, /*warn_only=*/false);
    at::globalContext().setDeterministicCuDNN(false);
    at::globalContext().setAllowTF32CuBLAS(false);
    at::globalContext().setAllowTF32CuDNN(false);
  }

  // Both halves: two steps, the end's checkpoint, two more steps in a new process's objects.
  static std::uint32_t in_two_parts(TrainConfig config, const Compute& compute) {
    config.optimizer.max_iters = 1;
    {
      GpuRun first(config, compute);
      EXPECT_EQ(first.trainer.run(StopSignals()), kExitDone);
    }
    const auto checkpoint = CheckpointStore(config.io.out_dir, 2).newest_good();
    EXPECT_TRUE(checkpoint && checkpoint->step == 2);
    if (!checkpoint) return 0;
    config.optimizer.max_iters = 3;
    GpuRun second(config, compute, checkpoint->manifest);
    load_model(checkpoint->path, second.model);
    load_optimizer(checkpoint->path, second.model, second.optimizer);
    second.engine->weights_changed();
    EXPECT_EQ(second.trainer.run(StopSignals()), kExitDone);
    return second.checksum();
  }
};

TEST_F(GpuResume, IsBitwiseWithDeterministicKernels) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    if (type == at::kBFloat16 && !device_facts().cuda_bf16) continue;
    const TempDir dir;
    TrainConfig config = small_config(dir, "whole");
    config.model.dropout = 0.1;
    config.optimizer.max_iters = 3;
    GpuRun whole(config, {cuda_, type});
    ASSERT_EQ(whole.trainer.run(StopSignals()), kExitDone);
    config.io.out_dir = (dir / "parts").string();
    EXPECT_EQ(in_two_parts(config, {cuda_, type}), whole.checksum()) << type;
  }
}

// The checksum must be able to tell runs apart, or the test above says nothing.
TEST_F(GpuResume, AnotherLearningRateGivesOtherBits) {
  const TempDir dir;
  std::set<std::uint32_t> seen;
  for (const double rate : {1e-3, 2e-3}) {
    TrainConfig config = small_config(dir, "rate" + std::to_string(rate));
    config.optimizer.learning_rate = rate;
    config.optimizer.max_iters = 1;
    GpuRun run(config, {cuda_, at::kFloat});
    ASSERT_EQ(run.trainer.run(StopSignals()), kExitDone);
    seen.insert(run.checksum());
  }
  EXPECT_EQ(seen.size(), 2u);
}

}  // namespace
}  // namespace gpt
