// The program on file systems without locks, syncs and maps: SMB, 9p, FUSE, Lustre.
#include <cerrno>

#include <gtest/gtest.h>

#include "gpt/config/printing.h"

#include "support/child.h"
#include "support/environment.h"
#include "support/tiny_config.h"

namespace gpt {
namespace {

using testing::Child;
using testing::Environment;
using testing::Finished;
using testing::names_in;
using testing::TempDir;

class FileSystem : public ::testing::Test {
 protected:
  FileSystem() {
    TrainConfig config = testing::tiny_config(dir_);
    config.system.device = "cpu";
    config.system.dtype = "float32";
    config.optimizer.max_iters = 6;
    config.io.eval_interval = 3;
    config.io.always_save_checkpoint = true;
    dir_.write("config.json", to_json(options_of(config)));
  }

  Finished run(const std::string& calls, int error, std::vector<std::string> arguments) const {
    const Environment library("LD_PRELOAD", GPT_REFUSING_FILE_SYSTEM), which("REFUSE_CALLS", calls),
        why("REFUSE_ERRNO", std::to_string(error)),
        where("REFUSE_UNDER", fs::canonical(dir_.path()).string());
    return Child(dir_, std::move(arguments)).wait();
  }

  const TempDir dir_;
};

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != text.npos; ++at) ++found;
  return found;
}

TEST_F(FileSystem, WhatItDoesNotHaveIsOneWarningEach) {
  for (const int error : {EINVAL, ENOTSUP, ENOLCK, EACCES, ENOSYS}) {
    const std::string out = "out" + std::to_string(error);
    const Finished end =
        run("flock fsync fsync_dir mmap", error, {"config.json", "--out_dir=" + out});
    EXPECT_EQ(end.code, 0) << error << end.err;
    for (const char* warning :
         {"has no locks", "does not sync files", "does not sync folders", "does not map files"})
      EXPECT_EQ(count(end.err, warning), 1u) << warning << "\n" << end.err;
    const std::set<std::string> names = names_in(dir_ / out);
    EXPECT_TRUE(names.contains("step_00000006") && names.contains("step_00000007")) << error;
  }
}

TEST_F(FileSystem, WithoutLocksAndSyncsTextIsPreparedAll) {
  dir_.write("text.txt", std::string(4000, 'a') + "\n");
  const Finished end = run("flock fsync fsync_dir mmap", ENOLCK,
                           {"prepare", "--out=data", "--tokenizer=char", "text.txt"});
  EXPECT_EQ(end.code, 0) << end.err;
  EXPECT_EQ(count(end.err, "has no locks"), 1u) << end.err;
}

TEST_F(FileSystem, ADiskThatFailsCostsNoOlderCheckpoint) {
  ASSERT_EQ(run("", 0, {"config.json", "--max_iters=3"}).code, 0);
  const std::set<std::string> before = names_in(dir_ / "out");
  EXPECT_TRUE(before.contains("step_00000004"));
  for (const char* call : {"fsync", "fsync_dir"}) {
    const Finished end = run(call, EIO, {"config.json", "--init_from=resume"});
    EXPECT_EQ(end.code, 1) << call << end.err;
    EXPECT_NE(end.err.find("Input/output error"), std::string::npos) << end.err;
    EXPECT_TRUE(names_in(dir_ / "out").contains("step_00000004")) << call;
  }
  EXPECT_EQ(run("", 0, {"config.json", "--init_from=resume"}).code, 0);
}

}  // namespace
}  // namespace gpt
