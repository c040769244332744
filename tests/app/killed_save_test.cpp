// kill -9 of any of several processes at any call that a save makes on its files: the last good
// checkpoint stays, and the run continues from there as if nothing had been.
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <set>

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

  // A run from step 3 to its end under the library that kills, with these variables.
  Finished run(const std::string& path, const std::optional<std::string>& copies, int rank,
               int at) {
    fs::remove_all(dir_ / "out");
    fs::copy(dir_ / "first", dir_ / "out", fs::copy_options::recursive);
    const Environment preload("LD_PRELOAD", GPT_KILL_AT_CALL), where("KILL_PATH", path),
        copy("KILL_COPY", copies), number("KILL_AT", std::to_string(at)),
        whom("KILL_RANK", std::to_string(rank));
    return run_to_the_end(dir_, "out", GetParam());
  }

  // The step of the newest checkpoint in `out`, which is whole, and has the bits that it has where
  // nothing was killed; -1 without any. Step 5 is saved by rank 0 alone, when it has lost the
  // other, and its bits are those that a run which resumes there has at its end.
  std::int64_t newest(const fs::path& out) const {
    const auto found = CheckpointStore(out, 2).newest_good();
    if (!found) return -1;
    const fs::path name = found->path.filename();
    const fs::path same = (found->step == 3 ? dir_ / "first" : dir_ / "whole") / name;
    EXPECT_TRUE(found->step == 5 || tensors_of(found->path) == tensors_of(same)) << out;
    return found->step;
  }

  void resumes(const std::string& out) {
    const Finished again = run_to_the_end(dir_, out, GetParam());
    EXPECT_EQ(again.code, kExitDone) << out << ": " << again.err;
    EXPECT_EQ(newest(dir_ / out), 6) << out;
  }

  const TempDir dir_;
};

// What a kill of the process that writes would leave, at each call of two saves and of the removal
// of the oldest checkpoint.
TEST_P(KilledSave, EveryCallLeavesAWholeCheckpoint) {
  fs::create_directory(dir_ / "out.states");
  const Finished end = run("step_0", (dir_ / "out").string(), 0, -1);
  ASSERT_EQ(end.code, kExitDone) << end.err;
  std::set<std::int64_t> steps;
  bool removing = false;
  int calls = 0;
  for (fs::path state; fs::exists(state = dir_ / "out.states" / std::to_string(calls + 1));) {
    ++calls;
    const std::int64_t step = newest(state);
    for (const CheckpointInfo& named : CheckpointStore(state, 2).list(/*every_byte=*/true))
      EXPECT_TRUE(named.good) << "call " << calls << ": " << named.problem;
    EXPECT_GE(step, steps.empty() ? 3 : *steps.rbegin()) << "call " << calls;
    steps.insert(step);
    removing = removing || !fs::exists(state / "step_00000003");
    if (calls % 32 == 5) resumes(concat("out.states/", calls));
  }
  EXPECT_EQ(steps, (std::set<std::int64_t>{3, 4, 6}));
  EXPECT_TRUE(removing);
  EXPECT_GT(calls, 50);
  std::cout << calls << " calls\n";
}

// Kills of either process at calls of one save, and what becomes of the others. With
// GPTTRAIN_EVERY_KILL=1 at every call.
TEST_P(KilledSave, TheOthersEndAndTheLastGoodCheckpointStays) {
  const bool every = std::getenv("GPTTRAIN_EVERY_KILL");
  int kills = 0, lost = 0;
  for (const int rank : {0, 1}) {
    const int stride = every ? 1 : rank == 0 ? 13 : 23;
    std::int64_t last = 3;
    for (int at = 1;; at += stride) {
      const Finished end = run("step_00000004", std::nullopt, rank, at);
      const std::int64_t step = newest(dir_ / "out");
      if (end.code == kExitDone) break;  // there were fewer calls
      ++kills;
      const std::string where = concat("rank ", rank, " at call ", at);
      EXPECT_EQ(end.code, kExitFailure) << where << ": " << end.err;
      EXPECT_NE(end.err.find(concat("error: rank ", rank, " (")), std::string::npos)
          << where << ": " << end.err;
      // 6: the save after it reads this one's files. What rank 0 does next when the other is gone
      // does not hang on the call.
      lost += step < (rank == 0 ? last : 3) ? 1 : 0;
      EXPECT_GE(step, rank == 0 ? last : 3) << where;
      last = std::max(last, step);
      if (at % (8 * stride) == 1 || step == 5) resumes("out");
    }
    // Few calls of the process that writes come after the one that gives the checkpoint its name.
    EXPECT_GE(last, every || rank == 1 ? 4 : 3) << rank;
  }
  std::cout << kills << " kills, " << lost << " checkpoints lost\n";
}

INSTANTIATE_TEST_SUITE_P(Ways, KilledSave, ::testing::Bool(),
                         [](const auto& way) { return way.param ? "Async" : "Sync"; });

}  // namespace
}  // namespace gpt
