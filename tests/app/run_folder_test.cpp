// A run whose folder, data or disk change under it, from outside.
#include "gpt/train/run_folder.h"

#include <csignal>
#include <fstream>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "gpt/base/log.h"
#include "gpt/checkpoint/store.h"

#include "support/child.h"
#include "support/error_text.h"

namespace gpt {
namespace {

using testing::Child;
using testing::error_text;
using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;
using testing::tiny_training;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// The log of a RunFolder stays open to the end of the process, which here has further tests.
struct LogFileEnd {
  ~LogFileEnd() { end_log_file(); }
};

TEST(RunFolder, IsMadeAgainWithAllFourWhereItWasRemoved) {
  const TempDir dir;
  const fs::path out = dir / "out";
  const LogFileEnd end;
  RunFolder folder(out.string());
  CheckpointStore store(out, 2);
  const RunFiles files(store, out, {});
  folder.begin(files, "{}", IoConfig());
  folder.metrics().write("before", {});
  folder.claim();
  fs::remove_all(out);
  folder.claim();
  EXPECT_EQ(read_file(out / "config.json"), "{}");
  folder.metrics().write("after", {});
  log_info("after");
  EXPECT_TRUE(has(read_file(out / "metrics.jsonl"), "after"));
  EXPECT_EQ(testing::names_in(out / "tb").size(), 1u);
  EXPECT_TRUE(has(read_file(out / "train.log"), "warning " + out.string() + ": was removed"));
  EXPECT_TRUE(has(read_file(out / "train.log"), "info    after\n"));
  EXPECT_FALSE(FileLock::try_lock(out / "run.lock", nullptr));
  fs::rename(out, dir / "elsewhere");
  folder.claim();
  EXPECT_FALSE(FileLock::try_lock(out / "run.lock", nullptr));
  EXPECT_TRUE(fs::exists(out / "config.json"));
  EXPECT_TRUE(FileLock::try_lock(dir / "elsewhere/run.lock", nullptr));
}

TEST(RunFolder, AFailedAttemptIsGoneOnWith) {
  const TempDir dir;
  const fs::path out = dir / "out";
  const LogFileEnd end;
  RunFolder folder(out.string());
  CheckpointStore store(out, 2);
  const RunFiles files(store, out, {});
  folder.begin(files, "{}", IoConfig());
  fs::remove_all(out);
  set_file_fault([](std::string_view call, const fs::path&, std::size_t*) {
    return call == "rename" ? ENOSPC : 0;
  });
  EXPECT_THROW(folder.claim(), IoError);
  set_file_fault({});
  folder.claim();
  EXPECT_TRUE(fs::exists(out / "config.json"));
  EXPECT_TRUE(fs::exists(out / "metrics.jsonl"));
}

TEST(RunFolder, AnotherRunsIsLeftAlone) {
  const TempDir dir;
  const fs::path out = dir / "out";
  const LogFileEnd end;
  RunFolder folder(out.string());
  CheckpointStore store(out, 2);
  const RunFiles files(store, out, {});
  folder.begin(files, "{}", IoConfig());
  fs::remove_all(out);
  fs::create_directories(out);
  int ready[2], ended[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(ended), 0);
  const pid_t other = fork();
  if (other == 0) {
    char byte = 0;
    const auto lock = FileLock::try_lock(out / "run.lock", nullptr);
    if (!lock || write(ready[1], "x", 1) != 1 || read(ended[0], &byte, 1) != 1) _exit(1);
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  const std::string text = error_text([&] { folder.claim(); });
  EXPECT_TRUE(has(text, "another run began in it since (process " + std::to_string(other))) << text;
  ASSERT_EQ(write(ended[1], "x", 1), 1);
  int status = 0;
  waitpid(other, &status, 0);
  EXPECT_EQ(status, 0);
  // One that has ended is another run's all the same.
  EXPECT_TRUE(has(error_text([&] { folder.claim(); }), "another run began in it since"));
  EXPECT_FALSE(fs::exists(out / "config.json"));
}

std::vector<std::string> long_training(const std::string& out) {
  return tiny_training({"--out_dir=" + out, "--max_iters=1000000", "--eval_interval=1000000"});
}

TEST(RunFolder, ATrainersCheckpointIsNeverAlone) {
  const TempDir dir;
  prepare_tiny(dir);
  const Child child(dir, long_training("out"));
  ASSERT_TRUE(child.says("iter 20"));
  fs::remove_all(dir / "out");
  kill(child.pid(), SIGTERM);
  const Finished finished = child.wait();
  EXPECT_EQ(finished.code, 75) << finished.err;
  EXPECT_TRUE(has(finished.err, "out: was removed or renamed while the run trains"))
      << finished.err;
  for (const char* name : {"run.lock", "config.json", "metrics.jsonl", "train.log"})
    EXPECT_TRUE(fs::exists(dir / "out" / name)) << name;
  EXPECT_TRUE(CheckpointStore(dir / "out", 2).newest_good());
}

TEST(RunFolder, ATrainerSavesNothingIntoAnothersFolder) {
  const TempDir dir;
  prepare_tiny(dir);
  const Child first(dir, long_training("out"));
  ASSERT_TRUE(first.says("iter 20"));
  fs::rename(dir / "out", dir / "moved");
  const Child second(dir, long_training("out"));
  ASSERT_TRUE(second.says("iter 20"));
  kill(first.pid(), SIGTERM);
  const Finished refused = first.wait();
  EXPECT_EQ(refused.code, 1);
  EXPECT_TRUE(
      has(refused.err, "another run began in it since (process " + std::to_string(second.pid())))
      << refused.err;
  EXPECT_TRUE(CheckpointStore(dir / "out", 2).list().empty());
  kill(second.pid(), SIGTERM);
  EXPECT_EQ(second.wait().code, 75);
}

TEST(RunData, ATokenFileCutInMidRunIsExitTwoAfterASave) {
  const TempDir dir;
  prepare_tiny(dir);
  const Child child(dir, long_training("out"));
  ASSERT_TRUE(child.says("iter 20"));
  fs::resize_file(dir / "data/tiny/train.bin", 1000);
  const Finished finished = child.wait();
  EXPECT_EQ(finished.code, 2) << finished.err;
  EXPECT_TRUE(has(finished.err, "data/tiny/train.bin: was cut from")) << finished.err;
  const auto saved = CheckpointStore(dir / "out", 2).newest_good();
  ASSERT_TRUE(saved);
  EXPECT_GT(saved->step, 20);
}

TEST(RunData, DataThatContradictTheirMetaAreRefusedByTrainAndDoctor) {
  const TempDir dir;
  prepare_tiny(dir);
  const auto verified = [](const std::string& out) {
    return tiny_training({"--out_dir=" + out, "--max_iters=2", "--verify_data=True"});
  };
  EXPECT_EQ(run(dir, verified("out")).code, 0);
  const std::vector<std::string> doctor{"doctor",
                                        std::string(GPT_SOURCE_DIR) + "/configs/ci_tiny.json",
                                        "--dataset=tiny", "--device=cpu"};
  EXPECT_FALSE(has(run(dir, doctor).out, "the data are wrong"));
  {
    std::fstream file(dir / "data/tiny/train.bin", std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(200).put('\3');
  }
  EXPECT_TRUE(has(run(dir, doctor).out,
                  "problem: the data are wrong: data/tiny/train.bin: its "
                  "checksum is"));
  const Finished wrong = run(dir, verified("out1"));
  EXPECT_EQ(wrong.code, 2);
  EXPECT_TRUE(has(wrong.err, "data/tiny/train.bin: its checksum is ")) << wrong.err;
  fs::resize_file(dir / "data/tiny/train.bin", fs::file_size(dir / "data/tiny/train.bin") / 4 * 2);
  const Finished half = run(dir, tiny_training({"--out_dir=out2", "--max_iters=2"}));
  EXPECT_EQ(half.code, 2);
  EXPECT_TRUE(has(half.err, "but data/tiny/meta.json says ")) << half.err;
}

}  // namespace
}  // namespace gpt
