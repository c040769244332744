// kill -9 of any of several processes at any call that a save makes on its files: the last good
// checkpoint stays, and the run continues from there as if nothing had been.
#include <csignal>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/checkpoint/store.h"
#include "gpt/config/printing.h"
#include "gpt/config/settings.h"

#include "support/child.h"
#include "support/environment.h"
#include "support/tiny_config.h"

namespace gpt {
namespace {

using testing::Child;
using testing::Environment;
using testing::Finished;
using testing::TempDir;
using testing::tiny_config;

// Two processes; saves before step 4, and before step 6 at the end.
Finished run_to_the_end(const TempDir& dir, const std::string& out, bool asynchronous) {
  return Child(dir, {"launch", "--nproc=2", "config.json", "--out_dir=" + out, "--max_iters=5",
                     "--init_from=auto", "--dist_timeout=20",
                     concat("--async_checkpoints=", asynchronous ? "True" : "False")})
      .wait();
}

std::string tensors_of(const fs::path& checkpoint) {
  return read_file(checkpoint / "model.safetensors") +
         read_file(checkpoint / "optimizer.safetensors");
}

class KilledSave : public ::testing::TestWithParam<bool> {  // async_checkpoints
 protected:
  void SetUp() override {
    TrainConfig config = tiny_config(dir_);
    config.system.device = "cpu";
    config.system.dtype = "float32";
    config.io.eval_interval = 0;
    config.io.checkpoint_interval = 4;
    config.io.tensorboard = false;
    dir_.write("config.json", to_json(options_of(config)));
    const Finished first =
        Child(dir_, {"launch", "--nproc=2", "config.json", "--out_dir=first", "--max_iters=2"})
            .wait();
    ASSERT_EQ(first.code, kExitDone) << first.err;
    fs::copy(dir_ / "first", dir_ / "whole", fs::copy_options::recursive);
    const Finished whole = run_to_the_end(dir_, "whole", false);
    ASSERT_EQ(whole.code, kExitDone) << whole.err;
  }

  // Kills `rank` at that call of rank 0's; false if there were fewer. `step` gets where it was
  // saved last.
  bool killed(int rank, int at, std::int64_t* step) {
    fs::remove_all(dir_ / "out");
    fs::copy(dir_ / "first", dir_ / "out", fs::copy_options::recursive);
    Finished run;
    {
      const Environment preload("LD_PRELOAD", GPT_KILL_AT_CALL), path("KILL_PATH", "step_00000004"),
          number("KILL_AT", std::to_string(at)), whom("KILL_RANK", std::to_string(rank));
      run = run_to_the_end(dir_, "out", GetParam());
    }
    const auto found = CheckpointStore(dir_ / "out", 2).newest_good();
    *step = found ? found->step : -1;
    if (run.code == kExitDone) return false;
    EXPECT_EQ(run.code, kExitFailure) << run.err;
    EXPECT_NE(run.err.find(concat("error: rank ", rank, " (")), std::string::npos) << run.err;
    return true;
  }

  const TempDir dir_;
};

TEST_P(KilledSave, TheLastGoodCheckpointStays) {
  for (const int rank : {0, 1}) {
    bool renamed = false;
    int at = 1;
    // What rank 0 does next when rank 1 is gone does not hang on every call.
    const int stride = rank == 0 ? 2 : 6;
    for (std::int64_t step = 0; killed(rank, at, &step); at += stride) {
      const std::string where = concat("rank ", rank, " at call ", at);
      EXPECT_TRUE(step >= 4 || (step == 3 && !(renamed && rank == 0))) << where << ": " << step;
      renamed = renamed || step >= 4;  // 6: the save after it reads this one's files
      if (at % 8 != 1) continue;       // resuming takes longer than the rest
      const Finished again = run_to_the_end(dir_, "out", GetParam());
      EXPECT_EQ(again.code, kExitDone) << where << ": " << again.err;
      EXPECT_TRUE(tensors_of(dir_ / "out/step_00000006") ==
                  tensors_of(dir_ / "whole/step_00000006"))
          << where;
    }
    EXPECT_GT(at, 12) << "calls of a save";
    EXPECT_TRUE(renamed) << rank;
  }
}

INSTANTIATE_TEST_SUITE_P(Ways, KilledSave, ::testing::Bool(),
                         [](const auto& way) { return way.param ? "Async" : "Sync"; });

}  // namespace
}  // namespace gpt
