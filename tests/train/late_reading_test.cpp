// What run() does on a GPU, where a step's losses are read when the next step is queued.
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/error_text.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

// Everything that a run leaves, but for times and memory.
std::vector<std::string> story(const TrainConfig& config) {
  std::vector<std::string> lines;
  std::ifstream file(fs::path(config.io.out_dir) / "metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    const auto time = line.find("\"time\":");
    line.erase(time, line.find(',', time) - time);
    lines.push_back(line.substr(0, line.find("\"ms\":")));
  }
  return lines;
}

// The third and the sixth gradient are broken; evaluations, checkpoints and the end lie between.
void poison(TinyRun& run, int& steps) {
  run.trainer.train_step().after_backward = [&] {
    if (++steps % 3 == 0 && steps < 9)
      run.model.parameters()[3].tensor.grad().view(-1)[7].fill_(
          std::numeric_limits<float>::quiet_NaN());
  };
}

TEST(LateReading, TheRunIsTheSame) {
  const auto finish = [](bool late) {
    const TempDir dir;
    TrainConfig config = tiny_config(dir);
    config.io.eval_interval = 5;
    config.io.checkpoint_interval = 7;
    config.optimizer.max_iters = 16;
    TinyRun run(config);
    run.trainer.reads_late = late;
    int steps = 0;
    poison(run, steps);
    EXPECT_EQ(run.go(), kExitDone);
    const auto saved = run.store.newest_good();
    EXPECT_TRUE(saved);
    EXPECT_EQ(saved->manifest.tokens_seen, (17 - 2) * 4 * 16);
    return std::pair{run.checksum(), story(config)};
  };
  const auto [now_bits, now_story] = finish(false);
  const auto [late_bits, late_story] = finish(true);
  EXPECT_EQ(late_bits, now_bits);
  EXPECT_EQ(late_story, now_story);
  EXPECT_GT(now_story.size(), 20u);
}

TEST(LateReading, GivesUpOneStepLater) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.optimizer.max_bad_steps = 3;
  TinyRun run(config);
  run.trainer.reads_late = true;
  int steps = 0;
  run.trainer.train_step().after_backward = [&] {
    ++steps;
    run.model.parameters()[0].tensor.grad().fill_(std::numeric_limits<float>::quiet_NaN());
  };
  EXPECT_NE(error_text([&] { run.go(); }).find("iter 2: 3 steps in a row had a non-finite loss"),
            std::string::npos);
  EXPECT_EQ(steps, 4);
}

}  // namespace
}  // namespace gpt
