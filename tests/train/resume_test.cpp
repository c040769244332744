// A run that stops and continues is the run that never stopped.
#include <fstream>

#include <gtest/gtest.h>

#include "support/tensor_near.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::near;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

struct Outcome {
  std::uint32_t checksum;
  std::vector<double> losses;
  std::vector<at::Tensor> weights;
};

void note_losses(const TrainConfig& config, std::vector<double>& losses) {
  std::ifstream file(fs::path(config.io.out_dir) / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto at = line.find("\"mean_loss\":");
    if (at != std::string::npos) losses.push_back(std::stod(line.substr(at + 12)));
  }
}

Outcome outcome(TinyRun& run) {
  Outcome result{run.checksum(), {}, {}};
  note_losses(run.config, result.losses);
  for (const Parameter& p : run.model.parameters()) result.weights.push_back(p.tensor.detach());
  return result;
}

TrainConfig dropout_config(const TempDir& dir) {
  TrainConfig config = tiny_config(dir);
  config.model.dropout = 0.1;
  config.data.gradient_accumulation_steps = 2;
  config.optimizer.max_iters = 44;
  return config;
}

Outcome uninterrupted() {
  const TempDir dir;
  TinyRun run(dropout_config(dir));
  EXPECT_EQ(run.go(), kExitDone);
  return outcome(run);
}

// Stops after `first` steps, continues with `micro` sequences a pass.
Outcome interrupted(std::int64_t first, std::optional<std::int64_t> micro) {
  const TempDir dir;
  TrainConfig config = dropout_config(dir);
  {
    TrainConfig early = config;
    early.optimizer.max_iters = first - 1;
    TinyRun run(early);
    EXPECT_EQ(run.go(), kExitDone);
  }
  config.data.micro_batch_size.value = micro;
  const auto checkpoint = CheckpointStore(config.io.out_dir, 2).newest_good();
  EXPECT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->step, first);
  const auto run = TinyRun::resumed(config, *checkpoint);
  EXPECT_EQ(run->go(), kExitDone);
  return outcome(*run);
}

// 20 and 40 are evaluation steps, so 20 stops right before one, 21 right after it.
TEST(Resume, IsBitwiseWhereverItStops) {
  const Outcome whole = uninterrupted();
  ASSERT_EQ(whole.losses.size(), 45u);
  for (const std::int64_t first : {1, 7, 19, 20, 21, 44}) {
    const Outcome parts = interrupted(first, std::nullopt);
    EXPECT_EQ(parts.losses, whole.losses) << first;
    EXPECT_EQ(parts.checksum, whole.checksum) << first;
  }
}

TEST(Resume, AnotherSplitAgreesToSummationOrder) {
  const Outcome whole = uninterrupted();
  for (const std::int64_t micro : {1, 3, 8}) {
    const Outcome parts = interrupted(21, micro);
    ASSERT_EQ(parts.losses.size(), whole.losses.size());
    for (std::size_t i = 0; i < whole.losses.size(); ++i)
      EXPECT_NEAR(parts.losses[i], whole.losses[i], 1e-4) << i;
    for (std::size_t i = 0; i < whole.weights.size(); ++i)
      EXPECT_TRUE(near(parts.weights[i], whole.weights[i], 2e-3)) << i;
  }
}

TEST(Resume, GoesOnFromTheCheckpointOfAnEvaluation) {
  const Outcome whole = uninterrupted();
  const TempDir dir;
  const TrainConfig config = dropout_config(dir);
  TinyRun(config).go();
  CheckpointStore store(config.io.out_dir, 2);
  const auto checkpoints = store.list();
  ASSERT_GE(checkpoints.size(), 2u);
  ASSERT_EQ(checkpoints[1].step, 40);
  EXPECT_EQ(checkpoints[1].manifest.reason, "evaluation");
  const auto run = TinyRun::resumed(config, checkpoints[1]);
  EXPECT_EQ(run->go(), kExitDone);
  EXPECT_EQ(run->checksum(), whole.checksum);
}

TEST(Resume, AFinishedRunHasNothingToDo) {
  const TempDir dir;
  const TrainConfig config = dropout_config(dir);
  TinyRun first(config);
  first.go();
  const auto run = TinyRun::resumed(config, *CheckpointStore(config.io.out_dir, 2).newest_good());
  EXPECT_EQ(run->go(), kExitDone);
  EXPECT_EQ(run->checksum(), first.checksum());
}

}  // namespace
}  // namespace gpt
