// Checkpoints that a thread writes: the same as those that a run waits for.
#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/device/cpu_memory.h"
#include "gpt/train/checkpoint_writer.h"

#include "support/file_fault.h"
#include "support/ranks.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::FileFaultGuard;
using testing::run_ranks;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

TrainConfig config_of(const TempDir& dir, bool asynchronous, const std::string& out = "out") {
  TrainConfig config = tiny_config(dir);
  config.io.out_dir = (dir / out).string();
  config.io.async_checkpoints = asynchronous;
  config.io.checkpoint_interval = 7;
  config.io.keep_checkpoints = 100;
  config.optimizer.max_iters = 30;
  return config;
}

bool is_in(const fs::path& path, const std::string& name) {
  return path.string().find(name) != std::string::npos;
}

// The tensors of a checkpoint; of what else it holds, config and version are of the run.
std::string tensors_of_checkpoint(const fs::path& folder) {
  return read_file(folder / "model.safetensors") + read_file(folder / "optimizer.safetensors");
}

void expect_same_checkpoints(const TrainConfig& a, const TrainConfig& b) {
  const auto first = CheckpointStore(a.io.out_dir, 100).list(true);
  const auto second = CheckpointStore(b.io.out_dir, 100).list(true);
  ASSERT_EQ(first.size(), second.size());
  ASSERT_GE(first.size(), 4u);
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].problem, "");
    EXPECT_EQ(second[i].problem, "");
    ASSERT_EQ(first[i].step, second[i].step);
    EXPECT_TRUE(tensors_of_checkpoint(first[i].path) == tensors_of_checkpoint(second[i].path))
        << first[i].step;
    Manifest x = first[i].manifest, y = second[i].manifest;
    x.config_json = y.config_json = "{}";
    EXPECT_EQ(to_json(x), to_json(y));
  }
}

TEST(AsyncCheckpoints, AreTheSameCheckpoints) {
  const TempDir dir;
  const TrainConfig plain = config_of(dir, false), threaded = config_of(dir, true, "threaded");
  TinyRun one(plain), two(threaded);
  EXPECT_EQ(one.go(), kExitDone);
  EXPECT_EQ(two.go(), kExitDone);
  EXPECT_EQ(one.checksum(), two.checksum());
  expect_same_checkpoints(plain, threaded);
}

// The thread is held up at its first write until training is four steps on, so what it writes then
// can only be the copy.
TEST(AsyncCheckpoints, HoldTheTensorsOfOneStep) {
  const TempDir dir;
  const TrainConfig plain = config_of(dir, false), threaded = config_of(dir, true, "threaded");
  EXPECT_EQ(TinyRun(plain).go(), kExitDone);
  std::atomic<int> steps = 0;
  std::atomic<bool> gave_up = false;
  {
    TinyRun run(threaded);
    run.trainer.train_step().after_backward = [&] { ++steps; };
    const FileFaultGuard slow([&](std::string_view call, const fs::path& path, std::size_t*) {
      if (call != "write" || !is_in(path, "step_00000007.tmp-")) return 0;
      for (int i = 0; steps < 11 && i < 6000; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        gave_up = i == 5999;
      }
      return 0;
    });
    EXPECT_EQ(run.go(), kExitDone);
  }
  EXPECT_FALSE(gave_up) << "the training thread waits for the disk";
  expect_same_checkpoints(plain, threaded);
}

TEST(AsyncCheckpoints, AFullDiskIsSaidAndMadeUpFor) {
  const TempDir dir;
  TrainConfig config = config_of(dir, true);
  config.io.checkpoint_interval = 0;
  config.io.always_save_checkpoint = false;
  std::uint32_t checksum = 0;
  {
    TinyRun run(config);
    const FileFaultGuard fault([](std::string_view call, const fs::path& path, std::size_t*) {
      return call == "write" && is_in(path, "step_00000020") ? ENOSPC : 0;
    });
    EXPECT_EQ(run.go(), kExitDone);
    checksum = run.checksum();
  }
  const auto found = CheckpointStore(config.io.out_dir, 2).list(true);
  ASSERT_EQ(found.size(), 2u);  // the end, and the one that was made up for
  EXPECT_GT(found[1].step, 20);
  EXPECT_LT(found[1].step, 31);
  EXPECT_EQ(found[1].manifest.reason, "retry");
  EXPECT_FALSE(found[1].manifest.best);
  const std::string metrics = read_file(fs::path(config.io.out_dir) / "metrics.jsonl");
  EXPECT_NE(metrics.find(R"("event":"checkpoint_failed")"), std::string::npos);
  const auto resumed = TinyRun::resumed(config, found[1]);
  EXPECT_EQ(resumed->go(), kExitDone);
  EXPECT_EQ(resumed->checksum(), checksum);
}

// The one under way is finished, and the last one is waited for.
TEST(AsyncCheckpoints, AStopWaitsForTheOneUnderWay) {
  const TempDir dir;
  const TrainConfig config = config_of(dir, true);
  int steps = 0;
  TinyRun run(config);
  run.trainer.train_step().after_backward = [&] {
    if (++steps == 8) raise(SIGTERM);
  };
  const FileFaultGuard slow([&](std::string_view call, const fs::path& path, std::size_t*) {
    if (call == "rename" && is_in(path, "step_00000007"))
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    return 0;
  });
  EXPECT_EQ(run.go(), kExitStopped);
  const auto found = run.store.list(true);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(found[0].good && found[1].good);
  EXPECT_EQ(found[0].step, 8);
  EXPECT_EQ(found[0].manifest.reason, "signal SIGTERM");
  EXPECT_EQ(found[1].step, 7);
}

// An error that ends the run does not cut off what is being written.
TEST(AsyncCheckpoints, AnErrorWaitsForTheOneUnderWay) {
  const TempDir dir;
  TrainConfig config = config_of(dir, true);
  config.optimizer.max_bad_steps = 1;
  TinyRun run(config);
  int steps = 0;
  run.trainer.train_step().after_backward = [&] {
    if (++steps == 8)
      run.model.parameters()[0].tensor.grad().fill_(std::numeric_limits<float>::quiet_NaN());
  };
  const FileFaultGuard slow([&](std::string_view call, const fs::path& path, std::size_t*) {
    if (call == "rename" && is_in(path, "step_00000007"))
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    return 0;
  });
  EXPECT_THROW(run.go(), Error);
  const auto found = run.store.list(true);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(found[0].good);
}

TEST(AsyncCheckpoints, WithoutMemoryForTheCopyTheyAreWrittenSynchronously) {
  const TempDir dir;
  const TrainConfig config = config_of(dir, false);
  TinyRun run(config);
  const CheckpointWriter::Parts parts{run.store, run.model, *run.optimizer, run.generator,
                                      c10::Device(c10::kCPU)};
  install_cpu_memory();
  EXPECT_TRUE(CheckpointWriter(parts, true, single_process()).asynchronous());
  fail_cpu_allocations(3);
  const CheckpointWriter writer(parts, true, single_process());
  fail_cpu_allocations(0);
  EXPECT_FALSE(writer.asynchronous());
  EXPECT_FALSE(CheckpointWriter(parts, false, single_process()).asynchronous());
}

class AsyncInAGroup : public ::testing::TestWithParam<std::int64_t> {};  // zero

TEST_P(AsyncInAGroup, TheFirstProcessWritesWhatAllHold) {
  const TempDir dir;
  const StopSignals signals;
  for (const bool asynchronous : {false, true}) {
    std::vector<TrainConfig> configs;
    for (int rank = 0; rank < 2; ++rank) {
      configs.push_back(
          config_of(dir, asynchronous, (asynchronous ? "async" : "sync") + std::to_string(rank)));
      configs.back().memory.zero = GetParam();
    }
    const auto errors = run_ranks(2, [&](ProcessGroup& group) {
      TinyRun run(configs[static_cast<std::size_t>(group.rank())], {}, {at::kCPU, at::kFloat},
                  group);
      EXPECT_EQ(run.trainer.run(signals), kExitDone);
    });
    for (const std::string& error : errors) EXPECT_EQ(error, "");
    EXPECT_TRUE(CheckpointStore(configs[1].io.out_dir, 2).list().empty());
  }
  expect_same_checkpoints(config_of(dir, false, "sync0"), config_of(dir, true, "async0"));
}

INSTANTIATE_TEST_SUITE_P(Zero, AsyncInAGroup, ::testing::Values(0, 1));

}  // namespace
}  // namespace gpt
