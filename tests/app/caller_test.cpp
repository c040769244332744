// What whoever starts the program leaves it: closed streams, limits, readers that go away.
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/shell.h"

namespace gpt {
namespace {

using testing::Finished;
using testing::prepare_tiny;
using testing::shell;
using testing::TempDir;
using testing::tiny_training;
using testing::words;

void expect_json_lines(const fs::path& metrics) {
  std::istringstream lines(read_file(metrics));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  EXPECT_GT(count, 20);
}

TEST(Caller, ClosedStreamsTakeOutputNowhere) {
  const TempDir dir;
  prepare_tiny(dir);
  int count = 0;
  for (const std::string closed : {"<&- >&- 2>&-", "<&-", ">&-", "2>&-", ">&- 2>&-"}) {
    const std::string out = "out" + std::to_string(count++);
    const Finished done = shell(dir, words(tiny_training({"--out_dir=" + out})) + " " + closed);
    EXPECT_EQ(done.code, 0) << closed << ": " << done.err;
    expect_json_lines(dir / out / "metrics.jsonl");
    EXPECT_EQ(read_file(dir / out / "run.lock").find("process "), 0u) << closed;
    EXPECT_LT(read_file(dir / out / "run.lock").size(), 100u) << closed;
  }
  EXPECT_EQ(shell(dir, "$GPT checkpoint verify out0 <&- >&- 2>&-").code, 0);
  EXPECT_EQ(shell(dir, "$GPT prepare --out=data/none - <&- >&- 2>&-").code, 2);
}

std::string checkpoints_in(const fs::path& folder) {
  std::string names;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().find("step_") != std::string::npos)
      names += entry.path().filename().string() + " ";
  return names;
}

TEST(Caller, AFileSizeLimitIsAFailedWriteOfEveryCommand) {
  const TempDir dir;
  prepare_tiny(dir);
  const std::string limit =
      "ulimit -f 24; ";  // KiB: enough for metrics.jsonl, not for a checkpoint
  const Finished trained = shell(dir, limit + words(tiny_training({"--out_dir=out"})));
  EXPECT_GE(trained.code, 0) << trained.err;
  EXPECT_NE(trained.out.find("iter 20:"), std::string::npos) << trained.out;
  EXPECT_NE(trained.err.find("cannot write: File too large; no checkpoint was written"),
            std::string::npos)
      << trained.err;
  EXPECT_EQ(checkpoints_in(dir / "out"), "");
  expect_json_lines(dir / "out/metrics.jsonl");

  ASSERT_EQ(shell(dir, words(tiny_training({"--out_dir=good"}))).code, 0);
  for (const std::string command :
       {"prepare --out=data/other fox.txt", "export --out_dir=good --format=nanogpt",
        "export --out_dir=good --format=hf"}) {
    const Finished failed = shell(dir, limit + "$GPT " + command);
    EXPECT_EQ(failed.code, 1) << command << ": " << failed.err;
    EXPECT_NE(failed.err.find("cannot write: File too large"), std::string::npos) << failed.err;
  }
  EXPECT_FALSE(fs::exists(dir / "good/ckpt.pt"));
  EXPECT_FALSE(fs::exists(dir / "data/other/train.bin"));
}

TEST(Caller, ALogThatCannotBeWrittenDoesNotEndARun) {
  const TempDir dir;
  prepare_tiny(dir);
  const auto command = [](const std::string& out) {
    return words(tiny_training({"--out_dir=" + out}));
  };
  const Finished full = shell(dir, command("full") + " >/dev/full");
  EXPECT_EQ(full.code, 0) << full.err;
  EXPECT_NE(full.err.find("warning: standard output: cannot write: No space left on device"),
            std::string::npos)
      << full.err;
  shell(dir, "(" + command("gone") + "; echo $? >code) | head -1");
  EXPECT_EQ(read_file(dir / "code"), "0\n");
  EXPECT_NE(checkpoints_in(dir / "gone").find("step_00000021"), std::string::npos);
}

// What only prints ends when nobody reads it any more, and says nothing.
TEST(Caller, AReaderThatGoesIsNoFailure) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(shell(dir, words(tiny_training({"--out_dir=out"}))).code, 0);
  const std::vector<std::string> commands = {
      "sample --out_dir=out --device=cpu --start=the --num_samples=3000 --samples_at_once=2",
      "eval --out_dir=out --device=cpu fox.txt fox.txt fox.txt", "checkpoint list out",
      "sample --help",
      "plan " + std::string(GPT_SOURCE_DIR) + "/configs/ci_tiny.json --device=cpu"};
  for (const std::string& command : commands) {
    const Finished head = shell(dir, "set -o pipefail; ($GPT " + command + " 2>err) | head -c 1");
    EXPECT_EQ(head.code, 0) << command;
    const std::string said = read_file(dir / "err");
    EXPECT_EQ(said.find("roken pipe"), std::string::npos) << said;
    EXPECT_EQ(said.find("error"), std::string::npos) << said;
  }
  // What writes files ends its work.
  const Finished exported =
      shell(dir, "set -o pipefail; $GPT export --out_dir=out --format=nanogpt | true");
  EXPECT_EQ(exported.code, 0) << exported.err;
  EXPECT_TRUE(fs::exists(dir / "out/ckpt.pt"));
}

TEST(Caller, AResultThatCannotBeWrittenIsAFailure) {
  const TempDir dir;
  const Finished full = shell(dir, "$GPT keys >/dev/full");
  EXPECT_EQ(full.code, 1);
  EXPECT_NE(full.err.find("standard output: cannot write"), std::string::npos) << full.err;
  // As every program in a pipe whose reader has what it wants.
  const Finished head = shell(dir, "set -o pipefail; (sleep 1; exec $GPT keys) | true");
  EXPECT_EQ(head.code, 0);
  EXPECT_EQ(head.err, "");
}

}  // namespace
}  // namespace gpt
