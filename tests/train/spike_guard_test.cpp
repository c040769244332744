// Steps that stand out: what counts as one, and that the run continues as if it had not been.
#include "gpt/train/spike_guard.h"

#include <chrono>
#include <cmath>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include <gtest/gtest.h>

#include "gpt/metrics/history.h"

#include "support/error_text.h"
#include "support/file_fault.h"
#include "support/ranks.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::run_ranks;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

SpikeGuard guard_of(const std::vector<double>& losses, double threshold = 3) {
  OptimizerConfig config;
  config.spike = "skip";
  config.spike_threshold = threshold;
  SpikeGuard guard(config, Manifest());
  for (std::size_t i = 0; i < losses.size(); ++i)
    guard.add(static_cast<std::int64_t>(i), losses[i], 1 + 0.1 * losses[i]);
  return guard;
}

TEST(SpikeGuard, JudgesByMeanAndDeviationOfTheWindow) {
  std::vector<double> losses;
  for (int i = 0; i < 20; ++i) losses.push_back(i % 2 == 0 ? 3 : 5);  // mean 4, deviation 1
  const SpikeGuard guard = guard_of(losses);
  EXPECT_NEAR(guard.limits(21).loss, 7, 1e-12);
  EXPECT_NEAR(guard.limits(21).gradient_norm, 1.4 + 0.3, 1e-12);
  const Spike spike = guard.scored(21, 9, 1.5);
  EXPECT_NEAR(spike.loss_z, 5, 1e-12);
  EXPECT_NEAR(spike.gradient_norm_z, 1, 1e-12);
}

// Neither the step's own value nor the one before it, which a GPU has not read yet.
TEST(SpikeGuard, TheWindowEndsTwoStepsBefore) {
  std::vector<double> losses(40, 4.0);
  losses[38] = 5;
  losses[39] = 1000;
  const SpikeGuard guard = guard_of(losses);
  EXPECT_LT(guard.limits(39).loss, 4.1);
  EXPECT_GT(guard.limits(40).loss, 4.1);
  EXPECT_LT(guard.limits(40).loss, 10);
  EXPECT_GT(guard.limits(41).loss, 100);
}

TEST(SpikeGuard, OnlyTheLastStepsCount) {
  std::vector<double> losses(200, 100.0);
  for (std::size_t i = 72; i < 200; ++i) losses[i] = 4;
  EXPECT_LT(guard_of(losses).limits(201).loss, 5);
  losses[72] = 100;  // the oldest of them
  EXPECT_GT(guard_of(losses).limits(201).loss, 20);
}

TEST(SpikeGuard, FewValuesJudgeNothing) {
  EXPECT_TRUE(std::isinf(guard_of(std::vector<double>(15, 4.0)).limits(17).loss));
  EXPECT_FALSE(std::isinf(guard_of(std::vector<double>(16, 4.0)).limits(17).loss));
}

TEST(SpikeGuard, NoSpreadIsNoDivisionByZero) {
  for (const double value : {4.0, 0.0, -2.0}) {
    const SpikeGuard guard = guard_of(std::vector<double>(30, value));
    EXPECT_TRUE(std::isfinite(guard.limits(31).loss)) << value;
    EXPECT_GT(guard.limits(31).loss, value);
    EXPECT_TRUE(std::isfinite(guard.scored(31, value + 1, 1).loss_z)) << value;
  }
}

TEST(SpikeGuard, TheStateComesBackFromAManifest) {
  std::vector<double> losses;
  for (int i = 0; i < 150; ++i) losses.push_back(3 + std::sin(1.7 * i) / 7);
  const SpikeGuard guard = guard_of(losses);
  Manifest manifest;
  manifest.recent_steps = guard.values();
  manifest.rollbacks = 2;
  manifest.rolled_back_from = 77;
  const Manifest back = parse_manifest(to_json(manifest), "test");
  EXPECT_EQ(back.rollbacks, 2);
  EXPECT_EQ(back.rolled_back_from, 77);
  OptimizerConfig config;
  config.spike = "warn";
  config.spike_threshold = 3;
  const SpikeGuard restored(config, back);
  EXPECT_EQ(restored.limits(151).loss, guard.limits(151).loss);
  EXPECT_EQ(restored.limits(151).gradient_norm, guard.limits(151).gradient_norm);
  config.spike = "off";
  EXPECT_TRUE(SpikeGuard(config, back).values().empty());
}

TrainConfig config_of(const TempDir& dir, const std::string& mode, const std::string& out = "out") {
  TrainConfig config = tiny_config(dir);
  config.io.out_dir = (dir / out).string();
  config.optimizer.spike = mode;
  config.optimizer.spike_threshold = 12;
  config.model.dropout = 0.1;
  return config;
}

// The gradients of these calls of backward, counted from 0, are a thousand times too large.
std::function<void()> planted(TinyRun& run, std::function<bool(int)> at) {
  return [&run, at = std::move(at), step = 0]() mutable {
    if (!at(step++)) return;
    for (const Parameter& parameter : run.model.parameters()) parameter.tensor.grad().mul_(1000);
  };
}

std::vector<MetricsEvent> events_of(const TrainConfig& config, const std::string& name) {
  std::vector<MetricsEvent> found;
  std::ifstream file(fs::path(config.io.out_dir) / "metrics.jsonl");
  MetricsEvent event;
  for (std::string line; std::getline(file, line);)
    if (parse_metrics_line(line, event) && event.name == name) found.push_back(event);
  return found;
}

std::string text_in(const MetricsEvent& event, const std::string& key) {
  for (const auto& [name, value] : event.values)
    if (const auto* text = std::get_if<std::string>(&value); text && name == key) return *text;
  return "";
}

std::uint32_t calm_run(const std::string& mode, bool late, bool compile) {
  const TempDir dir;
  TrainConfig config = config_of(dir, mode);
  config.system.compile = compile;
  config.io.checkpoint_interval = 7;
  TinyRun run(config);
  run.trainer.reads_late = late;
  EXPECT_EQ(run.go(), kExitDone);
  EXPECT_TRUE(events_of(config, "spike").empty()) << mode;
  return run.checksum();
}

TEST(Spikes, WithoutOneNothingChanges) {
  for (const bool compile : {false, true}) {
    const std::uint32_t off = calm_run("off", false, compile);
    for (const char* mode : {"warn", "skip", "rollback"})
      for (const bool late : {false, true})
        EXPECT_EQ(calm_run(mode, late, compile), off) << mode << late << compile;
  }
}

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size())
    text.replace(at, what.size(), with);
}

struct Outcome {
  std::uint32_t checksum = 0;
  std::vector<MetricsEvent> spikes;
};

Outcome spiking_run(const std::string& mode, bool late, std::function<bool(int)> at) {
  const TempDir dir;
  const TrainConfig config = config_of(dir, mode);
  TinyRun run(config);
  run.trainer.reads_late = late;
  run.trainer.train_step().after_backward = planted(run, std::move(at));
  EXPECT_EQ(run.go(), kExitDone);
  Outcome outcome{run.checksum(), events_of(config, "spike")};
  for (MetricsEvent& spike : outcome.spikes)
    for (auto& [name, value] : spike.values)
      if (auto* text = std::get_if<std::string>(&value))
        replace_all(*text, dir.path().string(), "FOLDER");  // each run has one of its own
  return outcome;
}

TEST(Spikes, ASkippedOneLeavesTheWeightsAsTheyWere) {
  const TempDir dir;
  const TrainConfig config = config_of(dir, "skip");
  TinyRun run(config);
  std::uint32_t before = 0;
  std::vector<std::uint32_t> after;
  int step = 0;
  std::vector<std::string> windows;
  run.trainer.train_step().after_backward = [&] {
    if (step == 37) {
      before = run.checksum();
      for (const Window& window : run.batches.windows())
        windows.push_back(window_name(run.dataset, window));
      for (const Parameter& parameter : run.model.parameters()) parameter.tensor.grad().mul_(1000);
    }
    if (step == 38) after.push_back(run.checksum());
    ++step;
  };
  EXPECT_EQ(run.go(), kExitDone);
  ASSERT_EQ(after.size(), 1u);
  EXPECT_EQ(after[0], before);
  EXPECT_NE(run.checksum(), before);
  const auto spikes = events_of(config, "spike");
  ASSERT_EQ(spikes.size(), 1u);
  EXPECT_EQ(spikes[0].iter, 37);
  std::string list;
  for (const std::string& window : windows) list += (list.empty() ? "" : ", ") + window;
  EXPECT_EQ(windows.size(), 4u);
  EXPECT_EQ(text_in(spikes[0], "windows"), list);
  EXPECT_NE(
      text_in(spikes[0], "reason").find("gpttrain data show " + windows[0] + "` shows the text"),
      std::string::npos);
  EXPECT_EQ(run.store.newest_good()->manifest.tokens_seen, (61 - 1) * 4 * 16);
}

TEST(Spikes, LateReadingDecidesTheSame) {
  const auto at = [](int step) { return step == 30 || step == 31 || step == 45; };
  for (const char* mode : {"warn", "skip"}) {
    const Outcome now = spiking_run(mode, false, at), late = spiking_run(mode, true, at);
    EXPECT_EQ(now.checksum, late.checksum) << mode;
    ASSERT_EQ(now.spikes.size(), late.spikes.size()) << mode;
    EXPECT_GE(now.spikes.size(), 2u) << mode;
    for (std::size_t i = 0; i < now.spikes.size(); ++i)
      EXPECT_EQ(now.spikes[i].values, late.spikes[i].values) << mode;
  }
}

TEST(Spikes, AWarningChangesNoNumber) {
  const auto at = [](int step) { return step == 30; };
  const Outcome off = spiking_run("off", false, at), warned = spiking_run("warn", false, at);
  EXPECT_TRUE(off.spikes.empty());
  EXPECT_EQ(warned.spikes.size(), 1u);
  EXPECT_EQ(warned.checksum, off.checksum);
  EXPECT_NE(spiking_run("skip", false, at).checksum, off.checksum);
}

// Skipped steps do not enter the window: the second of two is judged as the first was.
TEST(Spikes, ASkippedOneIsNotInTheWindow) {
  const auto spikes = spiking_run("skip", false, [](int step) { return step >= 30 && step < 36; });
  EXPECT_EQ(spikes.spikes.size(), 6u);
}

TEST(Spikes, ARunThatIsStoppedAndResumedIsTheSame) {
  const std::uint32_t whole =
      spiking_run("skip", false, [](int step) { return step == 21 || step == 24; }).checksum;
  for (const std::int64_t first : {20, 22, 23, 24}) {
    const TempDir dir;
    TrainConfig config = config_of(dir, "skip");
    {
      TrainConfig early = config;
      early.optimizer.max_iters = first - 1;
      TinyRun run(early);
      run.trainer.train_step().after_backward =
          planted(run, [](int step) { return step == 21 || step == 24; });
      EXPECT_EQ(run.go(), kExitDone);
    }
    const auto saved = CheckpointStore(config.io.out_dir, 2).newest_good();
    ASSERT_EQ(saved->step, first);
    const auto run = TinyRun::resumed(config, *saved);
    run->trainer.train_step().after_backward =
        planted(*run, [first](int step) { return step + first == 21 || step + first == 24; });
    EXPECT_EQ(run->go(), kExitDone);
    EXPECT_EQ(run->checksum(), whole) << first;
  }
}

TEST(Spikes, TooManyInARowEndTheRun) {
  const TempDir dir;
  TrainConfig config = config_of(dir, "skip");
  config.optimizer.max_bad_steps = 4;
  TinyRun run(config);
  run.trainer.train_step().after_backward = planted(run, [](int step) { return step >= 30; });
  const std::string text = error_text([&] { run.go(); });
  EXPECT_NE(text.find("iter 33: 4 steps in a row were spikes (max_bad_steps)"), std::string::npos)
      << text;
}

// A run that goes back to step 30 is one that was resumed from there, with the windows and draws of
// where it came from.
TEST(Rollback, GoesOnFromTheCheckpointWithLaterWindows) {
  const TempDir dir;
  TrainConfig config = config_of(dir, "rollback");
  config.io.checkpoint_interval = 10;
  config.io.keep_checkpoints = 10;
  TinyRun run(config);
  run.trainer.train_step().after_backward = planted(run, [](int step) { return step == 37; });
  EXPECT_EQ(run.go(), kExitDone);
  const auto rollbacks = events_of(config, "rollback");
  ASSERT_EQ(rollbacks.size(), 1u);
  EXPECT_EQ(rollbacks[0].iter, 30);
  EXPECT_EQ(events_of(config, "spike").at(0).iter, 37);

  TrainConfig other = config_of(dir, "skip", "other");
  other.io.checkpoint_interval = 10;
  other.io.keep_checkpoints = 10;
  other.optimizer.max_iters = 37;
  TinyRun until(other);
  until.trainer.train_step().after_backward = planted(until, [](int step) { return step == 37; });
  EXPECT_EQ(until.go(), kExitDone);
  const Manifest there = until.store.newest_good()->manifest;
  ASSERT_EQ(there.step, 38);
  CheckpointInfo from = until.store.list(true).at(1);
  ASSERT_EQ(from.step, 30);
  from.manifest.generator_state = there.generator_state;
  from.manifest.pending_offsets = there.pending_offsets;
  other.optimizer.max_iters = config.optimizer.max_iters;
  const auto expected = TinyRun::resumed(other, from);
  EXPECT_EQ(expected->go(), kExitDone);
  EXPECT_EQ(run.checksum(), expected->checksum());

  // What is shown has each step once, and both what was met and what was done.
  std::vector<std::int64_t> steps;
  std::string marks;
  read_history(fs::path(config.io.out_dir) / "metrics.jsonl", [&](const MetricsEvent& event) {
    if (event.name == "train") steps.push_back(event.iter);
    if (event.name == "rollback") marks += text_in(event, "reason");
  });
  ASSERT_EQ(steps.size(), 61u);
  for (std::size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(steps[i], static_cast<std::int64_t>(i));
  EXPECT_NE(marks.find("iter 37: spike"), std::string::npos) << marks;
}

TEST(Rollback, WaitsForTheCheckpointThatIsUnderWay) {
  const TempDir dir;
  TrainConfig config = config_of(dir, "rollback");
  config.io.checkpoint_interval = 10;
  config.io.async_checkpoints = true;
  TinyRun run(config);
  run.trainer.train_step().after_backward = planted(run, [](int step) { return step == 31; });
  const testing::FileFaultGuard slow([](std::string_view call, const fs::path& path, std::size_t*) {
    if (call == "rename" && path.string().find("step_00000030") != std::string::npos)
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
    return 0;
  });
  EXPECT_EQ(run.go(), kExitDone);
  const auto rollbacks = events_of(config, "rollback");
  ASSERT_EQ(rollbacks.size(), 1u);
  EXPECT_EQ(rollbacks[0].iter, 30);
}

TEST(Rollback, AResumedRunIsTheSame) {
  const auto spikes = [](TinyRun& run, int first) {
    return planted(run, [first](int calls) { return calls + first == 37; });
  };
  const TempDir dir;
  TrainConfig config = config_of(dir, "rollback");
  config.io.checkpoint_interval = 10;
  config.io.keep_checkpoints = 10;
  TinyRun whole(config);
  whole.trainer.train_step().after_backward = spikes(whole, 0);
  EXPECT_EQ(whole.go(), kExitDone);
  // The 40th step after the rollback was saved at; from there on nothing is planted.
  for (const CheckpointInfo& info : whole.store.list(true)) {
    if (info.step != 40 && info.step != 50) continue;
    EXPECT_EQ(info.manifest.rollbacks, 0);  // training got beyond the spike
    const auto run = TinyRun::resumed(config, info);
    EXPECT_EQ(run->go(), kExitDone);
    EXPECT_EQ(run->checksum(), whole.checksum()) << info.step;
  }
}

TEST(Rollback, LateReadingGoesBackAsWell) {
  for (const int spike : {37, 39, 40}) {  // 40 follows an evaluation, 39 comes before one
    const TempDir dir;
    TrainConfig config = config_of(dir, "rollback");
    config.io.checkpoint_interval = 10;
    TinyRun run(config);
    run.trainer.reads_late = true;
    run.trainer.train_step().after_backward =
        planted(run, [spike](int step) { return step == spike; });
    EXPECT_EQ(run.go(), kExitDone);
    const auto rollbacks = events_of(config, "rollback");
    ASSERT_EQ(rollbacks.size(), 1u) << spike;
    EXPECT_EQ(rollbacks[0].iter, spike == 40 ? 40 : 30);
    EXPECT_EQ(run.store.newest_good()->step, 61);
  }
}

TEST(Rollback, WithoutACheckpointTheUpdateIsSkipped) {
  const auto at = [](int step) { return step == 18; };
  const Outcome skipped = spiking_run("skip", false, at), back = spiking_run("rollback", false, at);
  EXPECT_EQ(back.checksum, skipped.checksum);
  EXPECT_EQ(back.spikes.size(), 1u);
}

TEST(Rollback, NeverGoesRoundForever) {
  const TempDir dir;
  TrainConfig config = config_of(dir, "rollback");
  config.io.checkpoint_interval = 30;
  TinyRun run(config);
  int steps = 0;
  run.trainer.train_step().after_backward = [&] {
    ++steps;
    if (steps <= 37 || (steps - 38) % 8 != 0) return;  // step 37, again and again
    for (const Parameter& parameter : run.model.parameters()) parameter.tensor.grad().mul_(1000);
  };
  const std::string text = error_text([&] { run.go(); });
  EXPECT_NE(text.find("iter 37: a spike once more, after 5 rollbacks in a row"), std::string::npos)
      << text;
  EXPECT_EQ(steps, 38 + 5 * 8);
  EXPECT_EQ(events_of(config, "rollback").size(), 5u);
  EXPECT_EQ(run.store.newest_good()->step, 30);
}

// A spike is no overflow: the loss scale stays, and comes back with a checkpoint.
TEST(Spikes, Float16sScaleDoesNotMove) {
  for (const char* mode : {"skip", "rollback"}) {
    const TempDir dir;
    TrainConfig config = config_of(dir, mode);
    config.system.dtype = "float16";
    config.io.checkpoint_interval = 10;
    TinyRun run(config, {}, {c10::Device(c10::kCPU), at::kHalf});
    run.trainer.train_step().after_backward = planted(run, [](int step) { return step == 37; });
    double before = 0;
    std::vector<double> scales;
    const auto planted_too = run.trainer.train_step().after_backward;
    int step = 0;
    run.trainer.train_step().after_backward = [&] {
      planted_too();
      if (step++ == 37) before = run.scaler.scale();
      if (step > 38) scales.push_back(run.scaler.scale());
    };
    EXPECT_EQ(run.go(), kExitDone);
    EXPECT_EQ(events_of(config, "spike").size(), 1u) << mode;
    ASSERT_FALSE(scales.empty());
    EXPECT_EQ(scales.front(), before) << mode;
  }
}

class SpikeInAGroup : public ::testing::TestWithParam<std::tuple<const char*, std::int64_t>> {};

// The gradients of one process alone are too large; all decide the same, once.
TEST_P(SpikeInAGroup, AllProcessesDecideTheSame) {
  const auto& [mode, zero] = GetParam();
  const TempDir dir;
  constexpr int kProcesses = 2;
  std::vector<TrainConfig> configs;
  for (int rank = 0; rank < kProcesses; ++rank) {
    configs.push_back(config_of(dir, mode, "rank" + std::to_string(rank)));
    configs.back().memory.zero = zero;
    configs.back().io.checkpoint_interval = 10;
    configs.back().optimizer.max_iters = 44;
  }
  const StopSignals signals;
  std::mutex mutex;
  std::vector<std::vector<at::Tensor>> weights(kProcesses);
  const auto errors = run_ranks(kProcesses, [&](ProcessGroup& group) {
    const auto rank = static_cast<std::size_t>(group.rank());
    TinyRun run(configs[rank], {}, {at::kCPU, at::kFloat}, group);
    if (group.rank() == 1)
      run.trainer.train_step().after_backward = planted(run, [](int step) { return step == 37; });
    EXPECT_EQ(run.trainer.run(signals), kExitDone);
    const std::scoped_lock lock(mutex);
    for (const Parameter& parameter : run.model.parameters())
      weights[rank].push_back(parameter.tensor.detach().clone());
  });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  for (const TrainConfig& config : configs) EXPECT_EQ(events_of(config, "spike").size(), 1u);
  const bool back = std::string(mode) == "rollback";
  EXPECT_EQ(events_of(configs[0], "rollback").size(), back ? 1u : 0u);
  EXPECT_EQ(CheckpointStore(configs[0].io.out_dir, 2).newest_good()->step, 45);
  ASSERT_EQ(weights[0].size(), weights[1].size());
  for (std::size_t i = 0; i < weights[0].size(); ++i)
    EXPECT_TRUE(at::equal(weights[0][i], weights[1][i])) << i;
}

INSTANTIATE_TEST_SUITE_P(Modes, SpikeInAGroup,
                         ::testing::Values(std::tuple("skip", 0), std::tuple("rollback", 0),
                                           std::tuple("rollback", 1)),
                         [](const auto& it) {
                           return std::string(std::get<0>(it.param)) + "Zero" +
                                  std::to_string(std::get<1>(it.param));
                         });

}  // namespace
}  // namespace gpt
