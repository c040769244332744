#include "gpt/train/run_length.h"

#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/optim/schedule.h"
#include "gpt/train/run_start.h"

#include "support/error_text.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

void settle(TrainConfig& config) {
  const Settings settings(options_of(config));
  settle_run_length(config, settings);
}

std::string refusal(TrainConfig config) {
  return error_text([&] { settle(config); });
}

TEST(RunLength, StaysWhatItIsUnlessAskedFor) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  settle(config);
  EXPECT_EQ(config.optimizer.max_iters, 60);
  EXPECT_EQ(config.schedule.lr_schedule, "cosine");
}

TEST(RunLength, TokensEndItBeforeTheyAreExceeded) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);  // 64 tokens a step
  for (const auto& [tokens, last] : {std::pair{64L, 0L}, {127L, 0L}, {128L, 1L}, {6400000L, 60L}}) {
    TrainConfig asked = config;
    asked.optimizer.max_tokens = tokens;
    settle(asked);
    EXPECT_EQ(asked.optimizer.max_iters, last) << tokens;
  }
  config.optimizer.max_tokens = 63;
  EXPECT_NE(refusal(config).find("one step trains on 64 tokens"), std::string::npos)
      << refusal(config);
}

TEST(RunLength, ACooldownIsAQuarterOfWhatWasBefore) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.schedule.cooldown_from = config.io.out_dir + "/step_00000040/";
  config.io.out_dir += "-short";
  settle(config);
  EXPECT_EQ(config.schedule.lr_schedule, "wsd");
  EXPECT_EQ(config.schedule.lr_decay_iters, 50);
  EXPECT_EQ(config.optimizer.max_iters, 50);
  const auto rate = [&](std::int64_t at) {
    return learning_rate_at(at, config.optimizer, config.schedule);
  };
  EXPECT_EQ(rate(40), config.optimizer.learning_rate);
  EXPECT_LT(rate(41), config.optimizer.learning_rate);
  EXPECT_EQ(rate(50), config.schedule.min_lr);
}

TEST(RunLength, AStepAloneIsOfTheSameRunAndGetsAFolderOfItsOwn) {
  for (const char* name : {"step_40", "step_00000040"}) {
    const TempDir dir;
    TrainConfig config = tiny_config(dir);
    const std::string out = config.io.out_dir;
    config.io.out_dir += "/";
    config.schedule.cooldown_from = name;
    config.schedule.cooldown_iters.value = 3;
    settle(config);
    EXPECT_EQ(fs::path(config.schedule.cooldown_from), fs::path(out) / "step_00000040");
    EXPECT_EQ(config.io.out_dir, out + "-cooldown-40");
    EXPECT_EQ(config.optimizer.max_iters, 43);
  }
}

TEST(RunLength, RefusesWhatIsNoCheckpointOrTheRunsOwn) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  for (const char* name : {"out", "step_", "step_x", "step_-1", "step_99999999999999999999"}) {
    config.schedule.cooldown_from = name;
    EXPECT_NE(refusal(config).find("wanted a checkpoint's folder"), std::string::npos) << name;
  }
  config.schedule.cooldown_from = config.io.out_dir + "/../out/step_00000040";
  EXPECT_NE(refusal(config).find("choose another --out_dir"), std::string::npos);
}

std::vector<double> rates_of(const std::string& out_dir) {
  std::ifstream file(fs::path(out_dir) / "metrics.jsonl");
  std::vector<double> rates;
  for (std::string line; std::getline(file, line);) {
    const auto event = nlohmann::json::parse(line);
    if (event.at("event") == "train") rates.push_back(event.at("lr"));
  }
  return rates;
}

// Two cool-downs from one stable run, which stays as it is; and one that is stopped and resumed has
// the bits of one that is not.
TEST(RunLength, CooldownsBranchOffAStableRun) {
  const TempDir dir;
  TrainConfig stable = tiny_config(dir);
  stable.schedule.lr_schedule = "constant";
  stable.optimizer.max_iters = 39;
  TinyRun first(stable);
  ASSERT_EQ(first.go(), kExitDone);
  const std::uint32_t weights = first.checksum();

  const auto cooled = [&](const std::string& out, std::int64_t stop_after) {
    TrainConfig config = stable;
    config.schedule.cooldown_from = stable.io.out_dir + "/step_00000040";
    config.io.out_dir = (dir / out).string();
    settle(config);
    EXPECT_EQ(config.optimizer.max_iters, 50);
    if (stop_after > 0) {
      TrainConfig part = config;
      part.optimizer.max_iters = stop_after;
      TinyRun begun(part, choose_start(part, CheckpointStore(part.io.out_dir, 2)).checkpoint);
      EXPECT_EQ(begun.go(), kExitDone);
      config.io.init_from = "resume";
    }
    const auto start = choose_start(config, CheckpointStore(config.io.out_dir, 2));
    TinyRun run(config, start.checkpoint);
    EXPECT_EQ(run.go(), kExitDone);
    return run.checksum();
  };
  const std::uint32_t whole = cooled("whole", 0);
  EXPECT_NE(whole, weights);
  EXPECT_EQ(cooled("parts", 44), whole);
  const std::vector<double> rates = rates_of((dir / "whole").string());
  ASSERT_EQ(rates.size(), 11u);
  EXPECT_EQ(rates.front(), stable.optimizer.learning_rate);
  EXPECT_NEAR(rates.back(), stable.schedule.min_lr, 1e-12);
  EXPECT_TRUE(CheckpointStore(stable.io.out_dir, 2).newest_good());
}

TEST(RunLength, ACooldownNeedsAGoodCheckpoint) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.schedule.cooldown_from = "step_40";
  settle(config);
  const std::string said =
      error_text([&] { choose_start(config, CheckpointStore(config.io.out_dir, 2)); });
  EXPECT_NE(said.find("cooldown_from="), std::string::npos) << said;
  EXPECT_NE(said.find("checkpoint list"), std::string::npos) << said;
}

}  // namespace
}  // namespace gpt
