// Limits that end other programs in a crash, and numbers that overflow: one line, and no back
// trace.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <sys/wait.h>

#include <gtest/gtest.h>

#include "gpt/base/strings.h"

#include "support/child.h"

namespace gpt {
namespace {

using testing::Child;
using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;
using testing::tiny_training;

// `before`, such as `ulimit -s 64`, in a shell that then becomes the program.
Finished run_after(const TempDir& dir, const std::string& before,
                   const std::vector<std::string>& arguments) {
  const std::string command =
      concat("cd '", dir.path().string(), "' && ", before, " && exec '", GPT_PROGRAM, "' '",
             join(arguments, "' '"), "' >shell.out 2>shell.err");
  const int status =
      std::system(("(" + command + ") 2>>'" + (dir / "shell.err").string() + "'").c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), read_file(dir / "shell.out"),
          read_file(dir / "shell.err")};
}

std::int64_t count_of(const std::string& text, const std::string& part) {
  std::int64_t count = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// The sanitizers reserve terabytes of addresses and want larger stacks.
#ifdef __SANITIZE_ADDRESS__
#define SKIP_UNDER_SANITIZERS() GTEST_SKIP() << "the sanitizers' own needs are larger"
#else
#define SKIP_UNDER_SANITIZERS() static_cast<void>(0)
#endif

// One line that says what and what to do; none of LibTorch's or of the C++ library's.
void expect_one_error(const Finished& finished, const std::string& words) {
  EXPECT_TRUE(finished.code == 1 || finished.code == 2) << finished.code << finished.err;
  EXPECT_NE(finished.err.find(words), std::string::npos) << finished.err;
  EXPECT_EQ(count_of(finished.err, "error: "), 1) << finished.err;
  for (const char* foreign : {"terminate called", "Exception raised from", "frame #", "what():"})
    EXPECT_EQ(finished.err.find(foreign), std::string::npos) << finished.err;
}

TEST(Limits, ATinyStackEndsInOneLine) {
  SKIP_UNDER_SANITIZERS();
  const TempDir dir;
  prepare_tiny(dir);
  for (const char* kib : {"64", "128", "256"})
    expect_one_error(run_after(dir, std::string("ulimit -s ") + kib,
                               tiny_training({"--out_dir=out", "--max_iters=2"})),
                     std::string("the stack is limited to ") + kib + " KiB (`ulimit -s`)");
}

TEST(Limits, ATinySoftLimitOfTheStackIsRaised) {
  SKIP_UNDER_SANITIZERS();
  const TempDir dir;
  prepare_tiny(dir);
  auto arguments = tiny_training({"--out_dir=out", "--max_iters=2"});
  arguments.push_back("--threads=2");
  const Finished done = run_after(dir, "ulimit -S -s 64", arguments);
  EXPECT_EQ(done.code, 0) << done.err;
}

// From less than the libraries take to as much as a run needs: an error of one line, or a run.
TEST(Limits, AnyLimitOfTheAddressSpaceEndsInOneLineOrARun) {
  SKIP_UNDER_SANITIZERS();
  const TempDir dir;
  prepare_tiny(dir);
  int errors = 0, done = 0;
  for (int mebi = 340; mebi <= 640; mebi += 30) {
    fs::remove_all(dir / "out");
    auto arguments = tiny_training({"--out_dir=out", "--max_iters=2"});
    arguments.push_back("--threads=2");
    const Finished finished = run_after(dir, "ulimit -v " + std::to_string(mebi * 1024), arguments);
    if (finished.code == 0) {
      ++done;
      continue;
    }
    ++errors;
    if (finished.code == 127)  // the loader could not even map the libraries, and says so
      EXPECT_EQ(count_of(finished.err, "\n"), 1) << mebi << ": " << finished.err;
    else
      expect_one_error(finished, "");
  }
  EXPECT_GT(errors, 0);
  std::printf("%d errors, %d runs\n", errors, done);
}

TEST(Limits, ThreadsThatCannotBeStartedAreCounted) {
  SKIP_UNDER_SANITIZERS();
  const TempDir dir;
  prepare_tiny(dir);
  auto arguments = tiny_training({"--out_dir=out", "--max_iters=2"});
  arguments.push_back("--threads=1024");
  // A thousand stacks of 64 MiB: beyond what is left.
  expect_one_error(run_after(dir, "ulimit -s 65536 && ulimit -v 3000000", arguments),
                   "cannot start 1023 more thread(s) for computing, only ");
}

TEST(Numbers, KeepCheckpointsHas64Bits) {
  const TempDir dir;
  prepare_tiny(dir);
  for (const char* keep : {"2147483648", "4294967296", "9223372036854775807"}) {
    fs::remove_all(dir / "out");
    const Finished done =
        run(dir, tiny_training({"--out_dir=out", "--max_iters=8", "--eval_interval=2",
                                "--eval_iters=1", std::string("--keep_checkpoints=") + keep}));
    ASSERT_EQ(done.code, 0) << done.err;
    std::int64_t kept = 0;
    for (const auto& entry : fs::directory_iterator(dir / "out"))
      kept += entry.path().filename().string().starts_with("step_");
    EXPECT_EQ(kept, 5) << keep;
  }
}

TEST(Numbers, GradClipBeyondFloat32IsRefusedByName) {
  const TempDir dir;
  prepare_tiny(dir);
  for (const char* clip : {"4e38", "1e300", "1e-300"}) {
    const Finished refused = run(
        dir, tiny_training({"--out_dir=out", "--max_iters=1", std::string("--grad_clip=") + clip}));
    EXPECT_EQ(refused.code, 2);
    expect_one_error(refused, "command line: grad_clip: expected 0 or from 1e-30 to 3.4e+38");
  }
  const Finished done =
      run(dir, tiny_training({"--out_dir=out", "--max_iters=1", "--grad_clip=3.4e38"}));
  EXPECT_EQ(done.code, 0) << done.err;
}

// Iterations are counted in 64 bits, and an evaluation draws its batches a few at a time.
TEST(Numbers, TheLargestCountsOfIterationsRunAndStop) {
  const TempDir dir;
  prepare_tiny(dir);
  const std::string most = "9223372036854775807";
  const Child endless(
      dir, tiny_training({"--out_dir=out", "--max_iters=" + most, "--warmup_iters=" + most,
                          "--lr_decay_iters=" + most, "--eval_interval=" + most,
                          "--checkpoint_interval=" + most, "--max_bad_steps=" + most,
                          "--eval_iters=1", "--seed=" + most, "--profile=True"}));
  ASSERT_TRUE(endless.says("iter 5: loss")) << endless.wait().err;
  kill(endless.pid(), SIGTERM);
  EXPECT_EQ(endless.wait().code, 75);
  const Child evaluating(
      dir, tiny_training({"--out_dir=other", "--max_iters=3", "--eval_iters=9007199254740992"}));
  ASSERT_TRUE(evaluating.says("num decayed parameter tensors"));
  usleep(1000000);
  kill(evaluating.pid(), SIGTERM);
  EXPECT_EQ(evaluating.wait().code, 75);
}

TEST(Numbers, TheLargestOptionsOfSampleAndEvalAreRefusedOrTaken) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, tiny_training({"--out_dir=out", "--max_iters=1"})).code, 0);
  const std::string most = "9223372036854775807";
  const auto sample = [&](const std::string& flag) {
    return run(dir, {"sample", "--out_dir=out", "--device=cpu", "--threads=1", "--num_samples=2",
                     "--max_new_tokens=3", flag});
  };
  for (const char* taken : {"--seed=", "--top_k="})
    EXPECT_EQ(sample(taken + most).code, 0) << taken;
  EXPECT_EQ(run(dir, {"sample", "--out_dir=out", "--device=cpu", "--num_samples=2",
                      "--max_new_tokens=3", "--draws=seed", "--seed=" + most})
                .code,
            0);
  for (const char* refused : {"--num_samples=", "--max_new_tokens=", "--samples_at_once="})
    expect_one_error(sample(refused + most), "command line: ");
  for (const char* refused : {"--temperature=1e-300", "--temperature=1e300", "--top_p=1e-310"})
    expect_one_error(sample(refused), "command line: ");
  for (const char* refused : {"--context=", "--stride=", "--eval_batch_size=", "--head_chunk="})
    expect_one_error(run(dir, {"eval", "--out_dir=out", "--device=cpu", "--threads=1",
                               refused + most, "fox.txt"}),
                     "command line: ");
}

TEST(Folders, WithoutAHomeNoCacheIsLookedForInTheCurrentFolder) {
  const TempDir dir;
  dir.write("text.txt", "some text");
  make_directories(dir / ".cache/gpttrain");
  dir.write(".cache/gpttrain/gpt2.tiktoken", "no vocabulary");
  make_directories(dir / ".cache/huggingface/hub/models--gpt2/snapshots/x");
  for (const char* name : {"config.json", "model.safetensors"})
    dir.write(std::string(".cache/huggingface/hub/models--gpt2/snapshots/x/") + name, "none");
  for (const char* home :
       {"unset HOME GPTTRAIN_CACHE XDG_CACHE_HOME HF_HOME HF_HUB_CACHE",
        "unset HOME GPTTRAIN_CACHE HF_HOME && export XDG_CACHE_HOME=.cache HF_HUB_CACHE=.cache",
        "unset XDG_CACHE_HOME HF_HUB_CACHE && export HOME= GPTTRAIN_CACHE=.cache/gpttrain "
        "HF_HOME=.cache/huggingface"}) {
    const Finished prepared =
        run_after(dir, home, {"prepare", "--tokenizer=gpt2", "--out=data/x", "text.txt"});
    EXPECT_EQ(prepared.code, 2) << home;
    expect_one_error(prepared, "no cache folder is known, as none of GPTTRAIN_CACHE");
    const Finished imported = run_after(dir, home, {"import", "gpt2", "--out_dir=run"});
    EXPECT_EQ(imported.code, 2) << home;
    expect_one_error(imported, "no Hugging Face cache, as none of HF_HUB_CACHE");
    EXPECT_EQ(run_after(dir, home, {"doctor", "--device=cpu"}).err.find(".cache"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace gpt
