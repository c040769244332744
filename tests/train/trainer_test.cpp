#include "gpt/train/trainer.h"

#include <csignal>
#include <fstream>

#include <gtest/gtest.h>

#include "gpt/base/files.h"

#include "support/error_text.h"
#include "support/tensor_near.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::near;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

std::int64_t newest_step(const TrainConfig& config) {
  const auto found = CheckpointStore(config.io.out_dir, 2).newest_good();
  return found ? found->step : -1;
}

TEST(Trainer, ANonFiniteGradientNeverReachesTheWeights) {
  const TempDir dir;
  TinyRun run(tiny_config(dir));
  run.trainer.step();
  for (const double poison :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const std::uint32_t before = run.checksum();
    run.trainer.train_step().after_backward = [&] {
      run.model.parameters()[3].tensor.grad().view(-1)[7].fill_(poison);
    };
    EXPECT_TRUE(run.trainer.step().skipped);
    EXPECT_EQ(run.checksum(), before);
    run.trainer.train_step().after_backward = nullptr;
    EXPECT_FALSE(run.trainer.step().skipped);
    EXPECT_NE(run.checksum(), before);
  }
}

TEST(Trainer, TrainsWithoutEvaluations) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.io.eval_interval = 0;
  config.optimizer.max_iters = 5;
  EXPECT_EQ(TinyRun(config).go(), kExitDone);
  EXPECT_EQ(newest_step(config), 6);
}

TEST(Trainer, GivesUpAfterTooManyBadStepsInARow) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.optimizer.max_bad_steps = 3;
  TinyRun run(config);
  int steps = 0;
  run.trainer.train_step().after_backward = [&] {
    if (++steps != 2)  // the second is good: the count starts again
      run.model.parameters()[0].tensor.grad().fill_(std::numeric_limits<float>::quiet_NaN());
  };
  EXPECT_NE(error_text([&] { run.go(); }).find("3 steps in a row had a non-finite loss"),
            std::string::npos);
  EXPECT_EQ(steps, 5);
}

TEST(Trainer, ASignalSavesAndStops) {
  const TempDir dir;
  const TrainConfig config = tiny_config(dir);
  TinyRun run(config);
  int steps = 0;
  run.trainer.train_step().after_backward = [&] {
    if (++steps == 7) std::raise(SIGTERM);
  };
  EXPECT_EQ(run.go(), kExitStopped);
  const auto saved = CheckpointStore(config.io.out_dir, 2).newest_good();
  ASSERT_TRUE(saved);
  EXPECT_EQ(saved->step, 7);
  EXPECT_EQ(saved->manifest.reason, "signal SIGTERM");
}

TEST(Trainer, AFullDiskCostsACheckpointNotTheRun) {
  const TempDir dir;
  const TrainConfig config = tiny_config(dir);
  TinyRun run(config);
  int refused = 0;
  set_file_fault([&](std::string_view call, const fs::path& path, std::size_t*) {
    const bool second = path.string().find("step_00000040") != std::string::npos;
    if (call == "write" && second) ++refused;
    return call == "write" && second ? ENOSPC : 0;
  });
  EXPECT_EQ(run.go(), kExitDone);
  set_file_fault({});
  EXPECT_GT(refused, 0);
  std::vector<std::int64_t> steps;
  for (const auto& info : run.store.list(true)) {
    EXPECT_TRUE(info.good) << info.problem;
    steps.push_back(info.step);
  }
  EXPECT_EQ(steps, (std::vector<std::int64_t>{61, 60}));
  std::ifstream file(fs::path(config.io.out_dir) / "metrics.jsonl");
  const std::string metrics{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(metrics.find("checkpoint_failed"), std::string::npos);
  EXPECT_NE(metrics.find("No space left on device"), std::string::npos);
}

TEST(Trainer, ALastCheckpointThatCannotBeWrittenIsAnError) {
  for (const bool signal : {false, true}) {
    const TempDir dir;
    TrainConfig config = tiny_config(dir);
    config.optimizer.max_iters = 8;
    TinyRun run(config);
    set_file_fault([&](std::string_view call, const fs::path& path, std::size_t*) {
      return call == "write" && path.string().find("step_") != std::string::npos ? ENOSPC : 0;
    });
    int steps = 0;
    run.trainer.train_step().after_backward = [&] {
      if (++steps == 4 && signal) std::raise(SIGTERM);
    };
    const std::string text = error_text([&] { run.go(); });
    set_file_fault({});
    EXPECT_NE(text.find(signal ? "stopped by SIGTERM at step 4, but no checkpoint could be written"
                               : "the run is over, but its last checkpoint could not be written"),
              std::string::npos)
        << text;
  }
}

// Signals come in the middle of an evaluation: the run that continues is the run never stopped.
TEST(Trainer, ASignalDuringAnEvaluationStopsItAtOnce) {
  const auto finish = [](bool interrupted) {
    const TempDir dir;
    TrainConfig config = tiny_config(dir);
    config.optimizer.max_iters = 30;
    std::int64_t from = 0;
    if (interrupted) {
      TinyRun run(config);
      const StopSignals signals;
      int steps = 0;
      // The last step before the evaluation at 20 ends with the signal not yet looked at.
      run.trainer.train_step().after_backward = [&] { ++steps; };
      config.io.eval_iters = 3;
      std::raise(SIGUSR1);
      EXPECT_EQ(run.trainer.run(signals), kExitStopped);
      EXPECT_EQ(steps, 0);  // the evaluation at step 0 was cut short
      const auto saved = run.store.newest_good();
      EXPECT_TRUE(saved);
      EXPECT_EQ(saved->manifest.last_eval_step, -1);
      from = saved->step;
      const auto resumed = TinyRun::resumed(config, *saved);
      EXPECT_EQ(resumed->go(), kExitDone);
      EXPECT_EQ(from, 0);
      return resumed->checksum();
    }
    TinyRun run(config);
    run.go();
    return run.checksum();
  };
  EXPECT_EQ(finish(true), finish(false));
}

TEST(Trainer, SavesOnlyImprovementsWhenAsked) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.io.always_save_checkpoint = false;
  config.io.keep_checkpoints = 100;
  config.optimizer.learning_rate = 1e-9;  // nothing improves but by luck of the draw
  config.schedule.min_lr = 1e-9;
  TinyRun run(config);
  run.go();
  double best = 1e9;
  std::set<std::int64_t> expected{61};  // the end
  std::ifstream file(fs::path(config.io.out_dir) / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto value = [&](const std::string& key) {
      return std::stod(line.substr(line.find("\"" + key + "\":") + key.size() + 3));
    };
    if (line.find("\"event\":\"eval\"") == std::string::npos) continue;
    if (value("val/loss") < best && value("iter") > 0)
      expected.insert(static_cast<std::int64_t>(value("iter")));
    best = std::min(best, value("val/loss"));
  }
  std::set<std::int64_t> saved;
  for (const auto& info : run.store.list()) saved.insert(info.step);
  EXPECT_EQ(saved, expected);
}

TEST(Trainer, SavesAtItsOwnInterval) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.io.checkpoint_interval = 7;
  config.io.keep_checkpoints = 100;
  config.io.eval_interval = 1000;
  config.optimizer.max_iters = 20;
  TinyRun run(config);
  run.go();
  std::vector<std::int64_t> steps;
  for (const auto& info : run.store.list()) steps.push_back(info.step);
  EXPECT_EQ(steps, (std::vector<std::int64_t>{21, 14, 7}));
}

TEST(Trainer, EvalOnlyEvaluatesOnceAndSavesNothing) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.io.eval_only = true;
  TinyRun run(config);
  const std::uint32_t before = run.checksum();
  EXPECT_EQ(run.go(), kExitDone);
  EXPECT_EQ(run.checksum(), before);
  EXPECT_EQ(newest_step(config), -1);
}

TEST(Trainer, EvaluationDoesNotDependOnItsSplit) {
  const auto evaluated = [](std::int64_t piece) {
    const TempDir dir;
    TrainConfig config = tiny_config(dir);
    config.data.eval_batch_size.value = piece;
    TinyRun run(config);
    return *estimate_loss(*run.engine, run.dataset, run.batches, run.group, 5,
                          [](std::int64_t, std::int64_t) { return true; });
  };
  const SplitLosses whole = evaluated(4);
  for (const std::int64_t piece : {1, 3}) {
    const SplitLosses parts = evaluated(piece);
    EXPECT_NEAR(parts.train, whole.train, 1e-6);
    EXPECT_NEAR(parts.val, whole.val, 1e-6);
  }
}

// 12 sequences a step, cut in every way, dropout on: the same curve.
TEST(Trainer, TheSplitDoesNotMatter) {
  const auto losses = [](std::optional<std::int64_t> micro) {
    const TempDir dir;
    TrainConfig config = tiny_config(dir);
    config.model.dropout = 0.2;
    config.data.gradient_accumulation_steps = 3;
    config.data.micro_batch_size.value = micro;
    TinyRun run(config);
    std::vector<double> list;
    for (int i = 0; i < 20; ++i) list.push_back(run.trainer.step().mean_loss);
    return list;
  };
  const auto whole = losses(12);
  for (const std::optional<std::int64_t> micro : {std::optional<std::int64_t>{}, {1}, {5}, {7}}) {
    const auto parts = losses(micro);
    for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(parts[i], whole[i], 2e-5) << i;
  }
}

TEST(Trainer, BFloat16StaysNearFloat32) {
  const auto train = [](c10::ScalarType type) {
    const TempDir dir;
    TinyRun run(tiny_config(dir), {}, {c10::Device(c10::kCPU), type});
    double last = 0;
    for (int i = 0; i < 60; ++i) last = run.trainer.step().mean_loss;
    EXPECT_EQ(run.model.parameters()[0].tensor.scalar_type(), at::kFloat);
    return last;
  };
  const double exact = train(at::kFloat), rounded = train(at::kBFloat16);
  EXPECT_NE(exact, rounded);
  EXPECT_NEAR(rounded, exact, 0.1);
}

TEST(Trainer, Float16ScalesItsGradients) {
  const TempDir dir;
  TinyRun run(tiny_config(dir), {}, {c10::Device(c10::kCPU), at::kHalf});
  EXPECT_EQ(run.scaler.scale(), 65536);
  const double first = run.trainer.step().mean_loss;
  StepResult last;
  for (int i = 0; i < 40; ++i) last = run.trainer.step();
  EXPECT_TRUE(std::isfinite(last.gradient_norm));
  EXPECT_LT(last.gradient_norm, 10);  // unscaled
  EXPECT_LT(last.mean_loss, first);
}

}  // namespace
}  // namespace gpt
