// Data that fail in the middle of a run, and saves that fail: what is in memory is not lost.
#include <fstream>
#include <functional>

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "gpt/base/files.h"

#include "support/file_fault.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::FileFaultGuard;
using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::uint32_t uninterrupted() {
  const TempDir dir;
  TinyRun run(tiny_config(dir));
  EXPECT_EQ(run.go(), kExitDone);
  return run.checksum();
}

// A run whose data are harmed by `harm` in its 8th step, and put right before it continues. The
// text of the error; `saved_step` gets where it continued.
std::string harmed(const TempDir& dir, const std::function<void(const fs::path&)>& harm,
                   std::int64_t* saved_step) {
  const TrainConfig config = tiny_config(dir);
  std::string text;
  {
    TinyRun run(config);
    int steps = 0;
    run.trainer.train_step().after_backward = [&] {
      if (++steps == 8) harm(dir / "tokens");
    };
    try {
      run.go();
    } catch (const Error& error) {
      text = error.what();
      EXPECT_EQ(error.exit_code(), kExitBadInput);
    }
  }
  tiny_config(dir);  // writes the files again
  const auto saved = CheckpointStore(config.io.out_dir, 2).newest_good();
  *saved_step = saved ? saved->step : -1;
  if (!saved) return text;
  EXPECT_EQ(saved->manifest.reason, "error");
  const auto run = TinyRun::resumed(config, *saved);
  EXPECT_EQ(run->go(), kExitDone);
  EXPECT_EQ(run->checksum(), uninterrupted());
  return text;
}

TEST(GivingUp, ATokenFileThatIsCutIsNamedAfterASave) {
  const TempDir dir;
  std::int64_t step = 0;
  const std::string text = harmed(
      dir, [](const fs::path& data) { fs::resize_file(data / "train.bin", 1000); }, &step);
  EXPECT_TRUE(has(text, (dir / "tokens/train.bin").string() + ": was cut from 40000 to 1000 bytes"))
      << text;
  EXPECT_TRUE(has(text, "saved as it was before step")) << text;
  EXPECT_GE(step, 8);
  EXPECT_LE(step, 11);  // what was read ahead
}

TEST(GivingUp, ABadTokenIsNamedAfterASave) {
  const TempDir dir;
  std::int64_t step = 0;
  const std::string text = harmed(
      dir,
      [](const fs::path& data) {
        testing::write_tokens(data / "train.bin", std::vector<std::uint16_t>(20000, 65535));
      },
      &step);
  EXPECT_TRUE(has(text, (dir / "tokens/train.bin").string() + ": token ")) << text;
  EXPECT_TRUE(has(text, " is 65535, but vocab_size is 61")) << text;
  EXPECT_GE(step, 8);
}

TEST(GivingUp, AnEvaluationThatCannotReadSavesAsWell) {
  const TempDir dir;
  std::int64_t step = 0;
  const std::string text = harmed(
      dir, [](const fs::path& data) { fs::resize_file(data / "val.bin", 100); }, &step);
  EXPECT_TRUE(has(text, (dir / "tokens/val.bin").string() + ": was cut from")) << text;
  EXPECT_EQ(step, 20);
}

TEST(FailedSaves, OneOfTheBestIsMadeUpForAndDoesNotCountUntilThen) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.io.always_save_checkpoint = false;
  config.optimizer.max_iters = 30;
  TinyRun run(config);
  {
    const FileFaultGuard fault([](std::string_view call, const fs::path& path, std::size_t*) {
      return call == "write" && has(path.string(), "step_00000020") ? ENOSPC : 0;
    });
    EXPECT_EQ(run.go(), kExitDone);
  }
  const auto found = run.store.list(true);
  ASSERT_EQ(found.size(), 2u);  // the end, and the one that was made up for
  EXPECT_EQ(found[1].step, 21);
  const Manifest& saved = found[1].manifest;
  EXPECT_EQ(saved.reason, "retry");
  EXPECT_EQ(saved.last_eval_step, 20);
  // The weights of the evaluation are gone: these are one step older, and nothing is best yet.
  EXPECT_FALSE(saved.best);
  EXPECT_GT(saved.best_val_loss, saved.val_loss);
  const std::string metrics = read_file(fs::path(config.io.out_dir) / "metrics.jsonl");
  EXPECT_TRUE(has(metrics, R"("event":"checkpoint_failed")"));
  EXPECT_TRUE(has(metrics, R"("best":1)"));  // as nanoGPT prints it, saved or not
  // It continues as the run that was not interrupted.
  const std::uint32_t whole = run.checksum();
  const auto resumed = TinyRun::resumed(config, found[1]);
  EXPECT_EQ(resumed->go(), kExitDone);
  EXPECT_EQ(resumed->checksum(), whole);
}

// The evaluation at 40 is worse than the one at 20, but better than all that is on disk.
TEST(FailedSaves, TheNextBestIsJudgedByWhatIsOnDisk) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.io.always_save_checkpoint = false;
  config.optimizer.max_iters = 45;
  TinyRun run(config);
  int steps = 0;
  run.trainer.train_step().after_backward = [&] {
    if (++steps != 40) return;
    const at::NoGradGuard no_grad;
    for (const Parameter& parameter : run.model.parameters()) parameter.tensor.detach().mul_(0.4);
  };
  {
    const FileFaultGuard fault([&](std::string_view call, const fs::path& path, std::size_t*) {
      return call == "write" && steps < 40 && has(path.string(), "step_") ? ENOSPC : 0;
    });
    EXPECT_EQ(run.go(), kExitDone);
  }
  std::vector<double> losses;
  std::ifstream file(fs::path(config.io.out_dir) / "metrics.jsonl");
  for (std::string line; std::getline(file, line);)
    if (const auto at = line.find("\"val/loss\":"); at != std::string::npos)
      losses.push_back(std::stod(line.substr(at + 11)));
  ASSERT_EQ(losses.size(), 3u);
  ASSERT_GT(losses[2], losses[1]);  // or this tests nothing
  ASSERT_LT(losses[2], losses[0]);
  const auto best = run.store.best_good();
  ASSERT_TRUE(best);
  EXPECT_EQ(best->step, 40);
  EXPECT_EQ(best->manifest.best_val_loss, losses[2]);
}

}  // namespace
}  // namespace gpt
