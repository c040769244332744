// Runs with optimizer=muon: how they are split, spread, stopped and stored changes nothing.
#include <cmath>
#include <fstream>
#include <map>
#include <mutex>

#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/device/cpu_memory.h"
#include "gpt/formats/safetensors.h"

#include "support/ranks.h"
#include "support/stopped_run.h"
#include "support/tensor_near.h"
#include "support/thread_count.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::run_ranks;
using testing::TempDir;
using testing::TinyRun;

TrainConfig muon_config(const TempDir& dir, const std::string& out = "out") {
  TrainConfig config = testing::tiny_config(dir);
  config.io.out_dir = (dir / out).string();
  config.optimizer.optimizer = "muon";
  config.optimizer.muon_lr = 0.04;
  config.optimizer.muon_momentum = 0.9;
  config.optimizer.muon_momentum_warmup = 30;
  config.optimizer.muon_scale = "original";
  config.optimizer.max_iters = 23;
  config.data.batch_size = 8;
  config.data.micro_batch_size.value = 4;
  return config;
}

std::vector<double> losses_of(TinyRun& run, int steps) {
  std::vector<double> losses;
  for (int i = 0; i < steps; ++i) losses.push_back(run.trainer.step().mean_loss);
  return losses;
}

void expect_near(const std::vector<double>& losses, const std::vector<double>& expected,
                 double tolerance) {
  ASSERT_EQ(losses.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(losses[i], expected[i], tolerance) << "step " << i;
}

// Of a run that is over.
std::vector<double> logged_losses(const TrainConfig& config) {
  std::vector<double> losses;
  std::ifstream file(fs::path(config.io.out_dir) / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto at = line.find("\"mean_loss\":");
    if (at != std::string::npos) losses.push_back(std::stod(line.substr(at + 12)));
  }
  return losses;
}

TEST(MuonRun, IsTheSameInBothEnginesAndInAnyPieces) {
  const TempDir dir;
  TinyRun fused(muon_config(dir));
  const std::vector<double> expected = losses_of(fused, 12);
  EXPECT_LT(expected.back(), expected.front() - 0.3);
  TrainConfig config = muon_config(dir, "eager");
  config.system.compile = false;
  TinyRun eager(config);
  expect_near(losses_of(eager, 12), expected, 2e-4);
  config = muon_config(dir, "pieces");
  config.data.micro_batch_size.value = 3;
  TinyRun pieces(config);
  expect_near(losses_of(pieces, 12), expected, 2e-4);
  // And it is not AdamW's.
  config = muon_config(dir, "adamw");
  config.optimizer.optimizer = "adamw";
  TinyRun adamw(config);
  EXPECT_GT(std::abs(losses_of(adamw, 12).back() - expected.back()), 2e-3);
}

// A run of 24 steps that is stopped after `first` and continues elsewhere; 0: it is not.
std::uint32_t trained(const char* before, const char* after, std::int64_t first) {
  const TempDir dir;
  return testing::trained_in_parts(muon_config(dir), before, after, first);
}

TEST(MuonRun, ShowsNeitherWhereItWasStoppedNorWhereItsMomentumLay) {
  const testing::ThreadCount one(1);
  const std::uint32_t resident = trained("off", "off", 0);
  EXPECT_EQ(trained("off", "off", 13), resident);
  EXPECT_EQ(trained("on", "on", 0), resident);
  EXPECT_EQ(trained("on", "off", 13), resident);
  EXPECT_EQ(trained("off", "on", 13), resident);
}

TEST(MuonRun, PrintsItsGroups) {
  const TempDir dir;
  TinyRun run(muon_config(dir));
  ::testing::internal::CaptureStdout();
  run.print_facts();
  const std::string printed = ::testing::internal::GetCapturedStdout();
  EXPECT_NE(printed.find("num Muon parameter tensors: 8, with 24,576 parameters"),
            std::string::npos)
      << printed;
  EXPECT_NE(printed.find("num decayed parameter tensors: 2, with"), std::string::npos) << printed;
}

class SharedMuon : public ::testing::TestWithParam<int> {};  // processes

TEST_P(SharedMuon, HasTheLossesAndTheStateOfOneProcess) {
  constexpr int kSteps = 8;
  const int size = GetParam();
  const TempDir dir;
  TinyRun alone(muon_config(dir, "alone"));
  const std::vector<double> expected = losses_of(alone, kSteps);
  std::mutex mutex;
  std::map<int, std::vector<double>> losses;
  std::map<int, std::int64_t> state_bytes;
  std::vector<at::Tensor> state;  // of the first process, gathered
  std::vector<TrainConfig> configs;
  for (int rank = 0; rank < size; ++rank) {
    configs.push_back(muon_config(dir, "rank" + std::to_string(rank)));
    configs.back().memory.zero = 1;
  }
  const auto errors = run_ranks(size, [&](ProcessGroup& group) {
    TinyRun run(configs[static_cast<std::size_t>(group.rank())], {}, {at::kCPU, at::kFloat}, group);
    const auto own = losses_of(run, kSteps);
    std::vector<at::Tensor> gathered;
    for (std::size_t i = 0; i < run.model.parameters().size(); ++i)
      for (const auto& [name, tensor] : run.optimizer->state_tensors(i))
        gathered.push_back(tensor.defined() ? tensor.clone() : tensor);
    const auto groups = run.optimizer->groups();
    const std::scoped_lock lock(mutex);
    losses[group.rank()] = own;
    state_bytes[group.rank()] = run.optimizer->state_bytes();
    if (group.is_first()) state = gathered;
    EXPECT_EQ(groups.size(), 3U);
    EXPECT_EQ(groups.front().parameters, 24576);
  });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  std::int64_t all = 0;
  for (int rank = 0; rank < size; ++rank) {
    expect_near(losses[rank], expected, 1e-4);
    all += state_bytes[rank];
    EXPECT_LT(state_bytes[rank], alone.optimizer->state_bytes() * 2 / (size + 1) + 1) << rank;
  }
  // Counts of steps are there in each part of a tensor.
  EXPECT_NEAR(static_cast<double>(all), static_cast<double>(alone.optimizer->state_bytes()), 200);
  std::size_t at = 0;
  for (std::size_t i = 0; i < alone.model.parameters().size(); ++i)
    for (const auto& [name, tensor] : alone.optimizer->state_tensors(i)) {
      ASSERT_LT(at, state.size());
      const bool step = name == "step";
      EXPECT_TRUE(testing::near(state[at], tensor, step ? 0 : 1e-4))
          << alone.model.parameters()[i].name << "." << name;
      ++at;
    }
}

INSTANTIATE_TEST_SUITE_P(Processes, SharedMuon, ::testing::Values(1, 2, 3));

// What three processes have saved, one continues.
TEST(MuonRun, ContinuesOnAnotherNumberOfProcesses) {
  const TempDir dir;
  const TrainConfig config = muon_config(dir, "whole");
  TinyRun whole(config);
  EXPECT_EQ(whole.go(), kExitDone);
  std::vector<TrainConfig> configs;
  for (int rank = 0; rank < 3; ++rank) {
    configs.push_back(muon_config(dir, "shared" + std::to_string(rank)));
    configs.back().memory.zero = 1;
    configs.back().optimizer.max_iters = 9;
  }
  const auto errors = run_ranks(3, [&](ProcessGroup& group) {
    TinyRun run(configs[static_cast<std::size_t>(group.rank())], {}, {at::kCPU, at::kFloat}, group);
    EXPECT_EQ(run.go(), kExitDone);
  });
  for (const std::string& error : errors) EXPECT_EQ(error, "");
  const TrainConfig later = muon_config(dir, "shared0");
  const auto run = TinyRun::resumed(later, *CheckpointStore(later.io.out_dir, 2).newest_good());
  EXPECT_EQ(run->first_step(), 10);
  EXPECT_EQ(run->go(), kExitDone);
  ASSERT_EQ(logged_losses(config).size(), 24U);
  expect_near(logged_losses(later), logged_losses(config), 1e-4);
}

// The other optimizer's state of a matrix is no beginning; that of all other tensors continues.
void switched(const std::string& from, const std::string& to) {
  const TempDir dir;
  TrainConfig config = muon_config(dir);
  config.optimizer.optimizer = from;
  config.optimizer.max_iters = 9;
  {
    TinyRun run(config);
    ASSERT_EQ(run.go(), kExitDone);
  }
  config.optimizer.optimizer = to;
  config.optimizer.max_iters = 30;
  const auto checkpoint = *CheckpointStore(config.io.out_dir, 2).newest_good();
  ::testing::internal::CaptureStderr();
  const auto run = TinyRun::resumed(config, checkpoint);
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("was saved with optimizer=" + from), std::string::npos) << said;
  EXPECT_NE(said.find("of 8 tensors"), std::string::npos) << said;
  const SafetensorsFile saved(checkpoint.path / kOptimizerFile);
  for (std::size_t i = 0; i < run->model.parameters().size(); ++i) {
    const std::string& name = run->model.parameters()[i].name;
    const bool matrix =
        name.find(".h.") != std::string::npos && run->model.parameters()[i].tensor.dim() == 2;
    for (const auto& [state, tensor] : run->optimizer->state_tensors(i)) {
      const double largest = tensor.abs().max().item<double>();
      EXPECT_EQ(largest == 0, matrix) << name << "." << state;
    }
  }
  for (const double loss : losses_of(*run, 3)) EXPECT_TRUE(std::isfinite(loss));
}

TEST(MuonRun, TakesOverFromAdamW) {
  switched("adamw", "muon");
}

TEST(MuonRun, IsTakenOverByAdamW) {
  switched("muon", "adamw");
}

// Damage is still told from another optimizer's state.
TEST(MuonRun, RefusesACheckpointWithoutItsMomentum) {
  const TempDir dir;
  TrainConfig config = muon_config(dir);
  config.optimizer.max_iters = 3;
  TinyRun run(config);
  ASSERT_EQ(run.go(), kExitDone);
  const auto checkpoint = *CheckpointStore(config.io.out_dir, 2).newest_good();
  const fs::path path = checkpoint.path / kOptimizerFile;
  std::string bytes = read_file(path);
  const std::string name = "h.0.attn.c_attn.weight.momentum_buffer";
  const auto at = bytes.find(name);
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, name.size(), "h.0.attn.c_attn.weight.momentum_buffex");
  replace_file(path, bytes);
  try {
    load_optimizer(checkpoint.path, run.model, *run.optimizer);
    FAIL() << "it was taken";
  } catch (const InputError& error) {
    EXPECT_NE(std::string(error.what()).find("momentum_buffer is missing"), std::string::npos)
        << error.what();
  }
}

// Half an update cannot be taken back: whichever allocation of a step fails, the step is that of
// the smaller split, bit for bit.
TEST(MuonRun, OutlivesAFailureAtAnyAllocationOfAStep) {
  install_cpu_memory();
  const testing::ThreadCount one(1);
  const TempDir dir;
  const auto config = [&](const char* out) {
    TrainConfig small = muon_config(dir, out);
    small.data.block_size = 8;
    small.model.n_layer = 1;
    small.io.eval_interval = 100000;
    return small;
  };
  TinyRun run(config("run")), clean(config("clean"));
  const Plan whole = run.trainer.plan();
  std::int64_t failed = 0, spared = 0;
  for (std::int64_t n = 1; spared < 12; ++n) {
    run.trainer.set_plan(whole);
    fail_cpu_allocations(n);
    const StepResult result = run.trainer.step();
    fail_cpu_allocations(0);
    const Plan used = run.trainer.plan();
    spared = used == whole ? spared + 1 : 0;
    failed += used != whole;
    clean.trainer.set_plan(used);
    EXPECT_EQ(clean.trainer.step().mean_loss, result.mean_loss) << n;
    ASSERT_EQ(run.checksum(), clean.checksum()) << "a failure of allocation " << n;
  }
  EXPECT_GT(failed, 10);
}

}  // namespace
}  // namespace gpt
