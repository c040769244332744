// Runs whose processes are threads of this one: what happens in the middle of a step.
#include <atomic>
#include <map>
#include <mutex>

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include "support/ranks.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::run_ranks;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

constexpr int kSteps = 6;

TrainConfig config_of(const TempDir& dir, const std::string& out, std::int64_t zero) {
  TrainConfig config = tiny_config(dir);
  config.io.out_dir = (dir / out).string();
  config.data.batch_size = 8;
  config.data.micro_batch_size.value = 4;
  config.memory.zero = zero;
  config.system.dtype = "float32";
  return config;
}

std::vector<double> losses_of(TinyRun& run) {
  std::vector<double> losses;
  for (int i = 0; i < kSteps; ++i) losses.push_back(run.trainer.step().mean_loss);
  return losses;
}

class MemoryOfOne : public ::testing::TestWithParam<std::int64_t> {};  // zero

TEST_P(MemoryOfOne, RunsOutAndAllDoTheSameBatchAgain) {
  const TempDir dir;
  TinyRun alone(config_of(dir, "alone", 0));
  const std::vector<double> expected = losses_of(alone);
  std::atomic<int> failures = 0;
  std::mutex mutex;
  std::map<int, std::vector<double>> losses;
  std::map<int, std::int64_t> micro_batches;
  std::vector<TrainConfig> configs;  // each writes the dataset anew, so before anybody reads it
  for (int rank = 0; rank < 3; ++rank)
    configs.push_back(config_of(dir, "rank" + std::to_string(rank), GetParam()));
  const auto errors = run_ranks(3, [&](ProcessGroup& group) {
    TinyRun run(configs[static_cast<std::size_t>(group.rank())], {}, {at::kCPU, at::kFloat}, group);
    if (group.rank() == 1)
      run.trainer.train_step().after_backward = [&] {
        if (++failures == 3) TORCH_CHECK_WITH(OutOfMemoryError, false, "planted");
      };
    const auto own = losses_of(run);
    const std::scoped_lock lock(mutex);
    losses[group.rank()] = own;
    micro_batches[group.rank()] = run.trainer.plan().micro_batch;
  });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  EXPECT_EQ(failures, kSteps + 1);
  for (int rank = 0; rank < 3; ++rank) {
    ASSERT_EQ(losses[rank].size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
      EXPECT_NEAR(losses[rank][i], expected[i], 2e-5) << "rank " << rank << ", step " << i;
    EXPECT_LT(micro_batches[rank], 4) << rank;
  }
}

INSTANTIATE_TEST_SUITE_P(Zero, MemoryOfOne, ::testing::Values(0, 1));

}  // namespace
}  // namespace gpt
