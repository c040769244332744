// Memory that runs out anywhere in a run, and the run that continues.
#include "gpt/train/oom_retry.h"

#include <fstream>
#include <utility>

#include <gtest/gtest.h>

#include "gpt/base/strings.h"
#include "gpt/device/cpu_memory.h"

#include "support/error_text.h"
#include "support/file_fault.h"
#include "support/thread_count.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;
using testing::ThreadCount;
using testing::tiny_config;
using testing::TinyRun;

class Recovered : public ::testing::TestWithParam<bool> {  // compile
 protected:
  void SetUp() override { install_cpu_memory(); }
  void TearDown() override {
    set_cpu_memory_limit(0);
    fail_cpu_allocations(0);
  }

  // 6 sequences a step, 4 in a batch, with dropout.
  TrainConfig config() const {
    TrainConfig config = tiny_config(dir_);
    config.system.compile = GetParam();
    config.data.batch_size = 2;
    config.data.gradient_accumulation_steps = 3;
    config.data.micro_batch_size.value = 4;
    config.data.block_size = 8;
    config.model.n_layer = 1;
    config.model.dropout = 0.1;
    config.io.eval_interval = 100000;
    return config;
  }

  // Its memory is one arena and a few buffers.
  static bool fused() { return GetParam(); }

  TempDir dir_;
  const ThreadCount one_{1};  // so small a model only waits for a second one
};

TEST(OomRetry, PlansGetSmallerUntilNothingIsLeft) {
  std::vector<std::string> steps;
  std::optional<Plan> plan =
      Plan{.recompute = Recompute::kNorm, .micro_batch = 5, .head_chunk = 2000};
  while ((plan = halved(*plan, 300, EngineKind::kCpu))) steps.push_back(pass_text(*plan));
  EXPECT_EQ(steps, (std::vector<std::string>{
                       "3 sequence(s) at a time, recompute=norm, head_chunk=900",
                       "2 sequence(s) at a time, recompute=norm, head_chunk=600",
                       "1 sequence(s) at a time, recompute=norm, head_chunk=300",
                       "1 sequence(s) at a time, recompute=mlp, head_chunk=150",
                       "1 sequence(s) at a time, recompute=block, head_chunk=75",
                       "1 sequence(s) at a time, recompute=block, head_chunk=64",
                   }));
  EXPECT_FALSE(halved({.head_chunk = 8}, 8));
  const auto blocks = halved({.head_chunk = 8}, 8, EngineKind::kEager);
  ASSERT_TRUE(blocks);
  EXPECT_EQ(blocks->recompute, Recompute::kBlock) << "the eager engine has no other level";
  EXPECT_FALSE(halved(*blocks, 8, EngineKind::kEager));
}

// One allocation of every step fails: the n-th of step n, until a step has fewer. Whatever it was
// for, the step is that of the smaller split, bit for bit.
TEST_P(Recovered, AFailureAtAnyAllocationOfAStepChangesNothing) {
  TinyRun run(config()), clean(config());
  const Plan whole = run.trainer.plan();
  ASSERT_EQ(whole.micro_batch, 4);
  std::int64_t failed = 0, spared = 0;
  // What the reader thread makes for the next step fails there, so that a few in a row are spared.
  for (std::int64_t n = 1; spared < 12; ++n) {
    run.trainer.set_plan(whole);
    fail_cpu_allocations(n);
    const StepResult result = run.trainer.step();
    fail_cpu_allocations(0);
    const Plan used = run.trainer.plan();
    spared = used == whole ? spared + 1 : 0;
    failed += used != whole;
    EXPECT_EQ(used.micro_batch, used == whole ? 4 : 2) << n;

    clean.trainer.set_plan(used);
    EXPECT_EQ(clean.trainer.step().mean_loss, result.mean_loss) << n;
    ASSERT_EQ(run.checksum(), clean.checksum()) << "a failure of allocation " << n;
    ASSERT_EQ(run.batches.position().pending, clean.batches.position().pending) << n;
  }
  EXPECT_GT(failed, fused() ? 40 : 100);  // there were some to fail
}

TEST_P(Recovered, RepeatedFailuresGoDownTheLadder) {
  TinyRun run(config()), clean(config());
  int attempts = 0;
  run.trainer.train_step().after_backward = [&] {
    if (++attempts == 1) fail_cpu_allocations(1);
  };
  run.trainer.step();
  const Plan half = run.trainer.plan();
  EXPECT_EQ(half.micro_batch, 2);
  attempts = 0;
  const int failures = fused() ? 3 : 2;  // the eager engine has fewer levels of recomputation
  run.trainer.train_step().after_backward = [&] {
    if (++attempts <= failures) fail_cpu_allocations(1);
  };
  run.trainer.step();
  EXPECT_EQ(attempts, failures + 1);
  const Plan last = run.trainer.plan();
  EXPECT_EQ(
      pass_text(last),
      concat("1 sequence(s) at a time, recompute=", fused() ? "norm" : "block", ", head_chunk=8"));
  for (const Plan& plan : {half, last}) {
    clean.trainer.set_plan(plan);
    clean.trainer.step();
  }
  EXPECT_EQ(run.checksum(), clean.checksum());
}

TEST_P(Recovered, ALimitThatOnlySmallPiecesMeetIsFoundOnTheWay) {
  TrainConfig large = config();
  large.model.n_layer = 6;
  large.data.block_size = 16;
  large.model.n_embd = 64;
  large.data.gradient_accumulation_steps = 32;
  large.data.micro_batch_size.value = 64;
  const auto peak_of = [&](std::int64_t micro, const char* recompute) {
    TrainConfig c = large;
    c.data.micro_batch_size.value = micro;
    c.memory.recompute = recompute;
    TinyRun run(c);
    reset_cpu_memory_peak();
    run.trainer.step();
    return cpu_memory_peak();
  };
  // The fused engine's groups do not grow with the pieces: down to the least it has to go.
  const std::uint64_t whole = peak_of(64, "none");
  const std::uint64_t small = fused() ? peak_of(1, "block") : peak_of(16, "none");
  ASSERT_LT(small, whole - whole / 4);
  TinyRun run(large);
  const std::uint64_t limit = (whole + small) / 2;
  set_cpu_memory_limit(limit);
  run.trainer.step();
  EXPECT_LT(run.trainer.plan().micro_batch, 64);
  EXPECT_LE(cpu_memory_now(), limit);
  set_cpu_memory_limit(0);
  TinyRun clean(large);
  clean.trainer.set_plan(run.trainer.plan());
  clean.trainer.step();
  EXPECT_EQ(run.checksum(), clean.checksum());
}

// With a planner, what follows a failure is the fastest smaller plan.
TEST_P(Recovered, ThePlannerChoosesWhatToGoOnWith) {
  TrainConfig large = config();
  const std::int64_t batch = fused() ? 36 : 12;
  large.data.batch_size = batch;
  // Two batches: the eager engine, without levels between none and block, has a plan of 8 then.
  large.data.gradient_accumulation_steps = fused() ? 1 : 2;
  large.data.micro_batch_size.value = batch;
  TinyRun run(large), clean(large);
  run.trainer.oom_retry().planner.emplace(workload_of(large, /*cuda=*/false, 1), Constraints{},
                                          cpu_rates(1));
  std::vector<Plan> used;
  for (int failures : {1, 2}) {
    int attempts = 0;
    run.trainer.train_step().after_backward = [&] {
      if (++attempts <= failures) fail_cpu_allocations(1);
    };
    run.trainer.step();
    used.push_back(run.trainer.plan());
  }
  // Not half the sequences: the planner knows how little has to go. And that 18 sequences of the
  // fused engine need what 36 do, as its groups are of 128 tokens.
  if (fused())
    EXPECT_EQ(used[0].micro_batch, 12) << pass_text(used[0]);
  else
    EXPECT_GT(used[0].micro_batch, 6) << pass_text(used[0]);
  EXPECT_NE(used[1], used[0]);
  for (const Plan& plan : used) {
    clean.trainer.set_plan(plan);
    clean.trainer.step();
  }
  EXPECT_EQ(run.checksum(), clean.checksum());
}

TEST_P(Recovered, TheLastWordNamesTheShortfallAndLosesNothing) {
  TinyRun run(config());
  const auto before = run.checksum();
  set_cpu_memory_limit(cpu_memory_now() + 4096);
  const std::string text = error_text([&] { run.trainer.step(); });
  set_cpu_memory_limit(0);
  EXPECT_EQ(text.rfind("out of memory in iter 0: ", 0), 0u) << text;
  for (const char* part : {" MiB were missing, and nothing is left to make smaller",
                           "1 sequence(s) at a time, recompute=block, head_chunk=8",
                           "`gpttrain plan`", "`gpttrain doctor`"})
    EXPECT_NE(text.find(part), std::string::npos) << text;
  EXPECT_EQ(run.checksum(), before);

  // With memory again, it is the step that it would have been.
  TinyRun clean(config());
  clean.trainer.set_plan(run.trainer.plan());
  EXPECT_EQ(run.trainer.step().mean_loss, clean.trainer.step().mean_loss);
  EXPECT_EQ(run.checksum(), clean.checksum());
}

TEST_P(Recovered, TheLastWordComesAfterACheckpoint) {
  TrainConfig short_run = config();
  short_run.optimizer.max_iters = 4;
  TinyRun clean(short_run);
  EXPECT_EQ(clean.go(), kExitDone);

  short_run.io.out_dir = (dir_ / "starved").string();
  TinyRun run(short_run);
  int steps = 0;
  run.trainer.train_step().after_backward = [&] {
    // The rest of this step allocates nothing; the next one finds no memory.
    if (++steps < 3) return;
    run.engine->release_memory();
    set_cpu_memory_limit(cpu_memory_now() + 4096);
  };
  EXPECT_THROW(run.go(), MemoryError);
  set_cpu_memory_limit(0);
  const auto saved = run.store.newest_good();
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->step, 3);
  EXPECT_EQ(saved->manifest.reason, "out of memory");
  const auto resumed = TinyRun::resumed(short_run, *saved);
  EXPECT_EQ(resumed->go(), kExitDone);
  EXPECT_EQ(resumed->checksum(), clean.checksum());
}

TEST_P(Recovered, AFlushedCacheCountsAsAFailedPlan) {
  TinyRun run(config());
  std::int64_t flushes = 7;  // of whoever used the device before
  run.trainer.oom_retry().flushes = [&] { return flushes; };
  run.trainer.step();
  EXPECT_EQ(run.trainer.plan().micro_batch, 4);
  int steps = 0;
  run.trainer.train_step().after_backward = [&] { flushes += ++steps == 1; };
  run.trainer.step();
  EXPECT_EQ(run.trainer.plan().micro_batch, 2);
  run.trainer.step();
  EXPECT_EQ(run.trainer.plan().micro_batch, 2);
}

// The allocator flushes before it refuses: that is one shortage, not two.
TEST_P(Recovered, AFailureThatFlushedTheCacheMakesThePlanSmallerOnce) {
  TinyRun run(config());
  std::int64_t flushes = 0, attempts = 0;
  run.trainer.oom_retry().flushes = [&] { return flushes; };
  run.trainer.train_step().after_backward = [&] {
    if (++attempts > 1) return;
    ++flushes;
    fail_cpu_allocations(1);
  };
  run.trainer.step();
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(run.trainer.plan().micro_batch, 2);
  run.trainer.step();
  EXPECT_EQ(run.trainer.plan().micro_batch, 2);
}

// What an evaluation was short of says nothing about a step.
TEST_P(Recovered, AnEvaluationsFlushesLeaveTrainingsPlanAlone) {
  for (const bool fails : {false, true}) {
    TinyRun run(config());
    std::int64_t flushes = 0;
    run.trainer.oom_retry().flushes = [&] { return flushes; };
    Plan evaluation{.micro_batch = 2};
    bool first = true;
    const auto work = [&] {
      if (!std::exchange(first, false)) return;
      ++flushes;
      TORCH_CHECK_WITH(OutOfMemoryError, !fails, "planted");
    };
    run.trainer.oom_retry().run("an evaluation", evaluation, /*backward=*/false, work,
                                [](const Plan&) {});
    EXPECT_EQ(evaluation.micro_batch, fails ? 1 : 2);
    run.trainer.step();
    EXPECT_EQ(run.trainer.plan().micro_batch, 4);
  }
}

// Evaluation: the same draws again, in smaller pieces; the training that follows is the same.
TEST_P(Recovered, AFailureAnywhereInAnEvaluationChangesNothing) {
  const auto run_with = [&](std::int64_t fail) {
    const TempDir dir;
    TrainConfig c = config();
    c.io.out_dir = (dir / "out").string();
    c.io.eval_interval = 1;
    c.io.eval_iters = 2;
    c.optimizer.max_iters = 0;
    c.data.eval_batch_size.value = 2;
    TinyRun run(c);
    fail_cpu_allocations(fail);
    EXPECT_EQ(run.go(), kExitDone);
    fail_cpu_allocations(0);
    std::ifstream file(fs::path(c.io.out_dir) / "metrics.jsonl");
    double val = 0;
    bool replanned = false;
    for (std::string line; std::getline(file, line);) {
      const auto at = line.find("\"val/loss\":");
      if (at != std::string::npos) val = std::stod(line.substr(at + 11));
      replanned = replanned || (line.find("the evaluation of step") != std::string::npos);
    }
    return std::tuple(run.batches.position().pending, val, replanned);
  };
  const auto [draws, loss, never] = run_with(0);
  EXPECT_FALSE(never);
  int replanned = 0;
  for (std::int64_t n = 1; n < (fused() ? 40 : 150); n += fused() ? 3 : 11) {
    const auto [again, val, failed] = run_with(n);
    EXPECT_EQ(again, draws) << n;
    EXPECT_NEAR(val, loss, 1e-5) << n;
    replanned += failed;
  }
  EXPECT_GT(replanned, 5);
}

TEST_P(Recovered, ACheckpointThatFindsNoMemoryIsTriedOnceMore) {
  for (const int failures : {1, 2}) {
    const TempDir dir;
    TrainConfig c = config();
    c.io.out_dir = (dir / "out").string();
    c.io.checkpoint_interval = 2;
    c.optimizer.max_iters = 2;
    TinyRun run(c);
    int left = failures;
    const testing::FileFaultGuard guard([&](std::string_view call, const fs::path& path,
                                            std::size_t*) {
      const bool here = call == "write" && path.string().find("step_00000002") != std::string::npos;
      TORCH_CHECK_WITH(OutOfMemoryError, !here || left-- <= 0, "planted");
      return 0;
    });
    EXPECT_EQ(run.go(), kExitDone);
    std::vector<std::int64_t> steps;
    for (const auto& info : run.store.list(true)) {
      EXPECT_TRUE(info.good) << info.problem;
      steps.push_back(info.step);
    }
    EXPECT_EQ(steps,
              failures == 1 ? (std::vector<std::int64_t>{3, 2}) : (std::vector<std::int64_t>{3}));
  }
}

INSTANTIATE_TEST_SUITE_P(Engines, Recovered, ::testing::Bool(),
                         [](const auto& which) { return which.param ? "Compiled" : "Eager"; });

}  // namespace
}  // namespace gpt
