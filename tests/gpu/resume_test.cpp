#include <set>

#include "run.h"

namespace gpt {
namespace {

using testing::small_config;
using testing::TempDir;
using testing::TinyRun;

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
      TinyRun first(config, {}, compute);
      EXPECT_EQ(first.go(), kExitDone);
    }
    const auto checkpoint = CheckpointStore(config.io.out_dir, 2).newest_good();
    EXPECT_TRUE(checkpoint && checkpoint->step == 2);
    if (!checkpoint) return 0;
    config.optimizer.max_iters = 3;
    const auto second = TinyRun::resumed(config, *checkpoint, compute);
    EXPECT_EQ(second->go(), kExitDone);
    return second->checksum();
  }
};

TEST_F(GpuResume, IsBitwiseWithDeterministicKernels) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    if (type == at::kBFloat16 && !device_facts().cuda_bf16()) continue;
    const TempDir dir;
    TrainConfig config = small_config(dir, "whole");
    config.model.dropout = 0.1;
    config.optimizer.max_iters = 3;
    TinyRun whole(config, {}, {cuda_, type});
    ASSERT_EQ(whole.go(), kExitDone);
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
    TinyRun run(config, {}, {cuda_, at::kFloat});
    ASSERT_EQ(run.go(), kExitDone);
    seen.insert(run.checksum());
  }
  EXPECT_EQ(seen.size(), 2u);
}

}  // namespace
}  // namespace gpt
