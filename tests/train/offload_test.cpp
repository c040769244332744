// AdamW's moments in the host's memory: the run is the same, and so are its checkpoints.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "train/tiny_run.h"

namespace gpt {
namespace {

using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

// A run of 24 steps that is stopped after `first` and goes on elsewhere; 0: it is not.
std::uint32_t trained(const char* before, const char* after, std::int64_t first) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.optimizer.max_iters = 23;
  if (first > 0) {
    TrainConfig early = config;
    early.optimizer.max_iters = first - 1;
    early.memory.optimizer_offload = before;
    TinyRun run(early);
    EXPECT_EQ(run.go(), kExitDone);
  }
  config.memory.optimizer_offload = after;
  std::unique_ptr<TinyRun> run;
  if (first > 0)
    run = TinyRun::resumed(config, *CheckpointStore(config.io.out_dir, 2).newest_good());
  else
    run = std::make_unique<TinyRun>(config);
  EXPECT_EQ(run->go(), kExitDone);
  return run->checksum();
}

TEST(Offload, NeitherARunNorItsCheckpointsShowWhereTheMomentsWere) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const std::uint32_t resident = trained("off", "off", 0);
  EXPECT_EQ(trained("on", "on", 0), resident);
  EXPECT_EQ(trained("on", "on", 13), resident);
  EXPECT_EQ(trained("on", "off", 13), resident);
  EXPECT_EQ(trained("off", "on", 13), resident);
  at::set_num_threads(threads);
}

}  // namespace
}  // namespace gpt
