// Runs whose processes are threads of this one: what happens in the middle of a step.
#include <atomic>
#include <map>
#include <mutex>

#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include "gpt/base/strings.h"

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

// Losses of the first process.
std::vector<double> trained(const TempDir& dir, int processes, std::int64_t zero,
                            const char* offload) {
  std::vector<TrainConfig> configs;
  for (int rank = 0; rank < processes; ++rank) {
    configs.push_back(config_of(dir, concat(offload, zero, processes, "rank", rank), zero));
    configs.back().memory.optimizer_offload = offload;
  }
  std::vector<double> losses;
  const auto errors = run_ranks(processes, [&](ProcessGroup& group) {
    TinyRun run(configs[static_cast<std::size_t>(group.rank())], {}, {at::kCPU, at::kFloat}, group);
    const auto own = losses_of(run);
    if (group.is_first()) losses = own;
  });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  return losses;
}

// Where the moments live changes no bit, whoever owns them.
TEST(ShardedOffload, LossesAreThoseOfOneOwner) {
  const TempDir dir;
  TinyRun alone(config_of(dir, "alone", 0));
  const std::vector<double> one = losses_of(alone);
  for (const int processes : {2, 3}) {
    const std::vector<double> whole = trained(dir, processes, 0, "off"),
                              sharded = trained(dir, processes, 1, "off"),
                              offloaded = trained(dir, processes, 1, "on");
    EXPECT_EQ(offloaded, sharded) << processes;
    ASSERT_EQ(offloaded.size(), one.size());
    for (std::size_t i = 0; i < one.size(); ++i) {
      EXPECT_NEAR(offloaded[i], whole[i], 2e-5) << processes << ", step " << i;
      EXPECT_NEAR(offloaded[i], one[i], 2e-5) << processes << ", step " << i;
    }
  }
}

}  // namespace
}  // namespace gpt
