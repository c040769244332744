#include "gpt/base/temporary_name.h"

#include <chrono>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/base/strings.h"

#include "support/gone_process.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::name_from_elsewhere;
using testing::name_of_gone;
using testing::TempDir;

std::string file(const fs::path& path) {
  return path.filename().string();
}

TEST(TemporaryName, SaysWhatItIsForAndWhoMadeIt) {
  const TempDir dir;
  for (const auto kind : {TemporaryKind::kFresh, TemporaryKind::kOld, TemporaryKind::kTrash}) {
    const auto mine = parse_temporary(file(temporary_beside(dir / "step_00000020", kind)));
    ASSERT_TRUE(mine);
    EXPECT_EQ(mine->stem, "step_00000020");
    EXPECT_EQ(mine->kind, kind);
    EXPECT_EQ(mine->owner, TemporaryOwner::kThisProcess);
    EXPECT_EQ(parse_temporary(file(name_of_gone(dir / "x", kind)))->owner, TemporaryOwner::kGone);
    EXPECT_EQ(parse_temporary(file(name_from_elsewhere(dir / "x", kind)))->owner,
              TemporaryOwner::kElsewhere);
  }
  EXPECT_NE(temporary_beside(dir / "x"), temporary_beside(dir / "x"));
  const auto twice = parse_temporary(file(temporary_beside(temporary_beside(dir / "x"))));
  ASSERT_TRUE(twice);
  EXPECT_EQ(parse_temporary(twice->stem)->stem, "x");
}

TEST(TemporaryName, NothingElseIsOne) {
  const TempDir dir;
  const std::string mine = file(temporary_beside(dir / "x"));
  for (const std::string& name :
       {std::string("x"), std::string("x.tmp"), std::string("x.tmp-"), std::string("x.tmp-12"),
        std::string("x.old-backup"), std::string("x.tmp-backup"), std::string(".trash-x-7"),
        std::string("x.old-20261130"), std::string("x.tmp-0123abcd-1-2"),
        std::string("x.tmp-0123ABCD-1-2-3"), std::string("x.tmp-0123abcd-01-2-3"),
        std::string("x.tmp-0123abcd-1-2-3-4"), std::string("x.tmp-0123abcd-0-2-3"),
        std::string("x.tmp-0123abcd--1-2-3"), std::string(".tmp-0123abcd-1-2-3"), mine + "x",
        mine + "-1", mine + ".bak", mine + " (copy)"})
    EXPECT_FALSE(parse_temporary(name)) << name;
  EXPECT_TRUE(parse_temporary("x.tmp-0123abcd-1-2-3"));
}

// A child that lives until it is killed, and the name that it made.
TEST(TemporaryName, AProcessIdThatIsUsedAgainIsAnotherProcess) {
  const TempDir dir;
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  // PATH.tmp-MACHINE-PROCESS-START-COUNT of this process, with the child's id.
  const std::string mine = file(temporary_beside(dir / "x"));
  const auto machine_end = mine.find('-', mine.find(".tmp-") + 5);
  const auto process_end = mine.find('-', machine_end + 1);
  const std::string reused = mine.substr(0, machine_end + 1) + std::to_string(child) + "-1-1";
  const std::string unknown_start =
      mine.substr(0, machine_end + 1) + std::to_string(child) + "-0-1";
  EXPECT_NE(process_end, std::string::npos);
  EXPECT_EQ(parse_temporary(reused)->owner, TemporaryOwner::kGone);
  EXPECT_EQ(parse_temporary(unknown_start)->owner, TemporaryOwner::kAlive);
  kill(child, SIGKILL);
  siginfo_t ended{};
  waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);  // dead, but not reaped
  EXPECT_EQ(parse_temporary(unknown_start)->owner, TemporaryOwner::kGone);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(parse_temporary(unknown_start)->owner, TemporaryOwner::kGone);
}

TEST(TemporaryName, OnlyWhatIsAbandonedGoes) {
  const TempDir dir;
  const fs::path gone = name_of_gone(dir / "a"),
                 trash = name_of_gone(dir / "b", TemporaryKind::kTrash),
                 mine = temporary_beside(dir / "c"),
                 old = name_of_gone(dir / "d", TemporaryKind::kOld),
                 fresh_elsewhere = name_from_elsewhere(dir / "e"),
                 stale_elsewhere = name_from_elsewhere(dir / "f");
  for (const fs::path& path : {gone, trash, old, fresh_elsewhere, stale_elsewhere})
    fs::create_directories(path / "inner");
  dir.write(file(mine), "x");
  dir.write("a.tmp-backup", "x");
  for (const fs::path& path : {stale_elsewhere / "inner", stale_elsewhere})
    fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(2));
  remove_abandoned(dir.path(), "a");
  EXPECT_FALSE(fs::exists(gone));
  for (const fs::path& path : {trash, mine, old, fresh_elsewhere, stale_elsewhere})
    EXPECT_TRUE(fs::exists(path)) << path;
  remove_abandoned(dir.path());
  for (const fs::path& path : {trash, stale_elsewhere}) EXPECT_FALSE(fs::exists(path)) << path;
  for (const fs::path& path : {mine, old, fresh_elsewhere, dir / "a.tmp-backup"})
    EXPECT_TRUE(fs::exists(path)) << path;
}

}  // namespace
}  // namespace gpt
