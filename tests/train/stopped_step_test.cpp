// A stop in the middle of a long step: nothing of the step is left, and the run that continues is
// the run never stopped.
#include <csignal>
#include <memory>

#include <gtest/gtest.h>

#include "support/ranks.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::run_ranks;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

const Compute kCpu{c10::Device(c10::kCPU), at::kFloat};
constexpr std::int64_t kStop = 3;  // the step that is cut short

// 8 micro-batches a step.
TrainConfig config_of(const TempDir& dir, bool compile) {
  TrainConfig config = tiny_config(dir);
  config.system.compile = compile;
  config.data.gradient_accumulation_steps = 2;
  config.data.micro_batch_size.value = 1;
  config.model.dropout = 0.1;
  config.optimizer.max_iters = 8;
  return config;
}

std::uint32_t uninterrupted(bool compile) {
  const TempDir dir;
  TinyRun run(config_of(dir, compile));
  EXPECT_EQ(run.go(), kExitDone);
  return run.checksum();
}

// SIGTERM comes after some micro-batches of step kStop, to this process alone.
void stop_in_the_middle(TinyRun& run, bool signalled, double patience) {
  run.trainer.train_step().patience = std::chrono::duration<double>(patience);
  if (!signalled) {
    run.trainer.train_step().stop_requested = [] { return false; };
    return;
  }
  auto steps = std::make_shared<std::int64_t>(0);
  run.trainer.train_step().after_backward = [steps] { ++*steps; };
  auto& stop_requested = run.trainer.train_step().stop_requested;
  stop_requested = [steps, trainers = stop_requested, asked = 0]() mutable {
    if (*steps == kStop && ++asked == 3) std::raise(SIGTERM);
    return trainers && trainers();
  };
}

void expect_continued(const TrainConfig& config, const CheckpointStore& store, std::int64_t step) {
  const auto saved = store.newest_good();
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->step, step);
  EXPECT_EQ(saved->manifest.reason, "signal SIGTERM");
  const auto resumed = TinyRun::resumed(config, *saved);
  EXPECT_EQ(resumed->go(), kExitDone);
  EXPECT_EQ(resumed->checksum(), uninterrupted(config.system.compile));
}

TEST(StoppedStep, IsAsIfItHadNotBegun) {
  for (const bool compile : {false, true})
    for (const bool late : {false, true}) {
      const TempDir dir;
      const TrainConfig config = config_of(dir, compile);
      TinyRun run(config);
      run.trainer.reads_late = late;
      stop_in_the_middle(run, true, 0);
      EXPECT_EQ(run.go(), kExitStopped);
      expect_continued(config, run.store, kStop);
    }
}

TEST(StoppedStep, IsFinishedWhereThatIsQuick) {
  const TempDir dir;
  const TrainConfig config = config_of(dir, false);
  TinyRun run(config);
  stop_in_the_middle(run, true, 3600);
  EXPECT_EQ(run.go(), kExitStopped);
  expect_continued(config, run.store, kStop + 1);
}

TEST(StoppedStep, TheVeryLastOneIsTakenAgain) {
  const TempDir dir;
  TrainConfig config = config_of(dir, true);
  config.optimizer.max_iters = kStop;
  TinyRun run(config);
  stop_in_the_middle(run, true, 0);
  EXPECT_EQ(run.go(), kExitStopped);
  config.optimizer.max_iters = 8;
  expect_continued(config, run.store, kStop);
}

// Right after the checkpoint of an evaluation, which is of the same step.
TEST(StoppedStep, ReplacesTheCheckpointOfItsStep) {
  const TempDir dir;
  TrainConfig config = config_of(dir, false);
  config.io.eval_interval = kStop;
  TinyRun run(config);
  stop_in_the_middle(run, true, 0);
  EXPECT_EQ(run.go(), kExitStopped);
  const auto saved = run.store.newest_good();
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->step, kStop);
  EXPECT_EQ(saved->manifest.last_eval_step, kStop);
}

// One of several processes cuts the step short: none of them takes it.
TEST(StoppedStep, StopsInAllProcesses) {
  for (const bool early : {false, true})
    for (const std::int64_t zero : {0, 1}) {
      if (early && zero == 1) continue;  // parts are summed where all gradients are
      const TempDir dir;
      TrainConfig config = config_of(dir, true);
      config.memory.zero = zero;
      {
        const StopSignals signals;
        const auto errors = run_ranks(2, [&](ProcessGroup& group) {
          TinyRun run(config, std::nullopt, kCpu, group);
          run.trainer.train_step().sums_early = early;
          stop_in_the_middle(run, group.rank() == 1, 0);
          EXPECT_EQ(run.trainer.run(signals), kExitStopped);
        });
        EXPECT_EQ(errors, std::vector<std::string>(2));
      }
      const auto saved = CheckpointStore(config.io.out_dir, 2).newest_good();
      ASSERT_TRUE(saved);
      EXPECT_EQ(saved->step, kStop);
      std::uint32_t sums[2] = {1, 2};
      const StopSignals signals;
      for (const bool stopped : {false, true})
        EXPECT_EQ(run_ranks(2,
                            [&](ProcessGroup& group) {
                              const TempDir other;
                              TrainConfig again = config;
                              again.io.out_dir = (other / "out").string();
                              TinyRun run(again, stopped ? saved : std::nullopt, kCpu, group);
                              EXPECT_EQ(run.trainer.run(signals), kExitDone);
                              const std::uint32_t sum = run.checksum();  // by all of them
                              if (group.is_first()) sums[stopped] = sum;
                            }),
                  std::vector<std::string>(2));
      EXPECT_EQ(sums[0], sums[1]);
    }
}

TEST(StoppedEvaluation, EndsBetweenPasses) {
  const TempDir dir;
  TrainConfig config = config_of(dir, true);
  config.data.eval_batch_size.value = 1;
  TinyRun run(config);
  int asked = 0, batches = 0;
  const auto result = estimate_loss(
      *run.engine, run.batches, run.group, 3,
      [&](std::int64_t, std::int64_t) {
        ++batches;
        return asked < 6;
      },
      [&] { return ++asked >= 6; });
  EXPECT_FALSE(result);
  EXPECT_EQ(batches, 2);  // of four passes each
}

}  // namespace
}  // namespace gpt
