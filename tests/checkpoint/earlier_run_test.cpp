// A new run in the folder of another: at every moment one of the two is there, whole.
#include "gpt/checkpoint/earlier_run.h"

#include <cerrno>
#include <csignal>
#include <optional>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/checkpoint/store.h"

#include "sample_run.h"
#include "support/file_fault.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::FileFaultGuard;
using testing::name_list;
using testing::newest_tag;
using testing::save;
using testing::TempDir;

constexpr std::int64_t kOld = 10, kNew = 20;

void earlier_run(const fs::path& out) {
  CheckpointStore store(out, 2);
  save(store, 100, 1);
  save(store, 200, kOld);
  for (const char* name : {"metrics.jsonl", "config.json", "train.log"})
    replace_file(out / name, "old");
}

// What train does before its first step, and then its first save, whose step the old run has too.
void replace_run(const fs::path& out, std::int64_t step = 100) {
  CheckpointStore store(out, 2);
  std::vector<fs::path> paths;
  for (const CheckpointInfo& info : store.list()) paths.push_back(info.path);
  EarlierRun earlier(out, paths);
  const fs::path metrics = earlier.staged("metrics.jsonl"), config = earlier.staged("config.json"),
                 train_log = earlier.staged("train.log");
  store.replaces(std::move(earlier));
  OutputFile log(metrics);
  log.write("new");
  replace_file(config, "new");
  replace_file(train_log, "new");
  save(store, step, kNew);
  log.write(" and on");
}

fs::path place_of_old(const fs::path& out) {
  fs::path place;
  for (const auto& entry : fs::directory_iterator(out))
    if (entry.path().filename().string().starts_with("replaced-")) place = entry.path();
  return place;
}

void expect_old(const fs::path& out, const std::string& where) {
  EXPECT_EQ(newest_tag(out), kOld) << where;
  EXPECT_EQ(name_list(out), "config.json metrics.jsonl step_00000100 step_00000200 train.log")
      << where;
  EXPECT_EQ(read_file(out / "metrics.jsonl"), "old") << where;
  EXPECT_EQ(read_file(out / "config.json"), "old") << where;
  EXPECT_EQ(read_file(out / "train.log"), "old") << where;
}

void expect_new(const fs::path& out, const std::string& where) {
  EXPECT_EQ(newest_tag(out), kNew) << where;
  const fs::path place = place_of_old(out);
  EXPECT_EQ(name_list(out),
            "config.json metrics.jsonl " + place.filename().string() + " step_00000100 train.log")
      << where;
  EXPECT_EQ(read_file(out / "metrics.jsonl").substr(0, 3), "new") << where;
  EXPECT_EQ(read_file(out / "config.json"), "new") << where;
  EXPECT_EQ(read_file(out / "train.log"), "new") << where;
  ASSERT_FALSE(place.empty()) << where;
  expect_old(place, where);
}

TEST(EarlierRun, GoesAsideWhenTheFirstCheckpointIsThere) {
  const TempDir dir;
  earlier_run(dir.path());
  replace_run(dir.path());
  expect_new(dir.path(), "");
  EXPECT_EQ(read_file(dir / "metrics.jsonl"), "new and on");
}

TEST(EarlierRun, StaysWhereTheNewOneHasNoRoom) {
  const TempDir dir;
  earlier_run(dir.path());
  {
    CheckpointStore store(dir.path(), 2);
    store.replaces(EarlierRun(dir.path(), {dir / "step_00000200", dir / "step_00000100"}));
    const FileFaultGuard full([](std::string_view call, const fs::path&, std::size_t*) {
      return call == "write" ? ENOSPC : 0;
    });
    for (int tries = 0; tries < 2; ++tries) EXPECT_THROW(save(store, 100, kNew), IoError);
    expect_old(dir.path(), "full");
  }
  CheckpointStore store(dir.path(), 2);
  store.replaces(EarlierRun(dir.path(), {dir / "step_00000200", dir / "step_00000100"}));
  {
    int tries = 0;
    const FileFaultGuard full([&](std::string_view call, const fs::path&, std::size_t*) {
      return call == "write" && tries++ == 0 ? ENOSPC : 0;
    });
    EXPECT_THROW(save(store, 100, kNew), IoError);
    save(store, 200, kNew);  // the run continues, and there is space again
  }
  EXPECT_EQ(newest_tag(dir.path()), kNew);
  EXPECT_EQ(store.list().size(), 1u);
  EXPECT_EQ(newest_tag(place_of_old(dir.path())), kOld);
}

TEST(EarlierRun, AnErrorAtAnyCallLeavesOneOfTheTwo) {
  bool done = false;
  for (int at = 0; !done; ++at) {
    const TempDir dir;
    earlier_run(dir.path());
    bool failed = false, reached = false;
    {
      const FileFaultGuard guard(
          [&, left = at](std::string_view, const fs::path&, std::size_t*) mutable {
            if (left-- != 0) return 0;
            reached = true;
            return EIO;
          });
      try {
        replace_run(dir.path());
      } catch (const IoError&) {
        failed = true;
      }
    }
    done = !reached;
    CheckpointStore(dir.path(), 2).clean_leftovers();
    const std::string where = "call " + std::to_string(at);
    if (newest_tag(dir.path()) == kOld) {
      EXPECT_TRUE(failed) << where;
      // Files that were staged by this process are its own, and would go with it.
      for (const auto& entry : fs::directory_iterator(dir.path()))
        if (entry.path().filename().string().find(".tmp-") != std::string::npos)
          fs::remove(entry.path());
      expect_old(dir.path(), where);
    } else {
      expect_new(dir.path(), where);
    }
    ASSERT_LT(at, 200);
  }
}

TEST(EarlierRun, AKillAtAnyCallLeavesOneOfTheTwo) {
  bool done = false, new_seen = false;
  for (int at = 0; !done; ++at) {
    const TempDir dir;
    earlier_run(dir.path());
    const pid_t child = fork();
    if (child == 0) {
      set_file_fault([left = at](std::string_view, const fs::path&, std::size_t*) mutable {
        if (left-- == 0) raise(SIGKILL);
        return 0;
      });
      try {
        replace_run(dir.path());
      } catch (...) {
        _exit(1);
      }
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    done = WIFEXITED(status);
    ASSERT_TRUE(!done || WEXITSTATUS(status) == 0);
    CheckpointStore store(dir.path(), 2);
    store.clean_leftovers();
    const std::string where = "call " + std::to_string(at);
    if (newest_tag(dir.path()) == kOld) {
      EXPECT_FALSE(new_seen) << where;
      expect_old(dir.path(), where);
    } else {
      new_seen = true;
      expect_new(dir.path(), where);
    }
    save(store, 300, 30);  // and it continues
    EXPECT_EQ(newest_tag(dir.path()), 30) << where;
    ASSERT_LT(at, 200);
  }
  EXPECT_TRUE(new_seen);
}

}  // namespace
}  // namespace gpt
