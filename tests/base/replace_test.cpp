#include "gpt/base/replace.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"

#include "support/environment.h"
#include "support/error_text.h"
#include "support/file_fault.h"
#include "support/gone_process.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::Environment;
using testing::error_text;
using testing::FileFaultGuard;
using testing::name_of_gone;
using testing::names_in;
using testing::TempDir;

void make(const fs::path& folder, const std::string& text) {
  fs::create_directories(folder);
  std::ofstream(folder / "file") << text;
}

void replace_folder(const fs::path& target, const std::string& text,
                    MayReplace may = replace_anything) {
  Replacement replacement(target, std::move(may));
  make(replacement.fresh(), text);
  replacement.commit();
}

FileFault without_exchange(FileFault then = nullptr) {
  return [then](std::string_view call, const fs::path& path, std::size_t* length) {
    return call == "exchange" ? EINVAL : then ? then(call, path, length) : 0;
  };
}

TEST(Replacement, PutsAFolderInThePlaceOfAnother) {
  for (const bool exchange : {true, false}) {
    const TempDir dir;
    const FileFaultGuard guard(exchange ? FileFault() : without_exchange());
    for (const char* other : {"model.old", "model.new"}) make(dir / other, "mine");
    replace_folder(dir / "model", "1");
    replace_folder(dir / "model", "2");
    EXPECT_EQ(read_file(dir / "model/file"), "2");
    EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"model", "model.new", "model.old"}));
    for (const char* other : {"model.old/file", "model.new/file"})
      EXPECT_EQ(read_file(dir / other), "mine");
  }
}

TEST(Replacement, WhatIsNotCommittedLeavesNoTrace) {
  const TempDir dir;
  replace_folder(dir / "model", "1");
  {
    const Replacement replacement(dir / "model", replace_anything);
    make(replacement.fresh(), "2");
  }
  EXPECT_EQ(read_file(dir / "model/file"), "1");
  EXPECT_EQ(names_in(dir.path()), std::set<std::string>{"model"});
}

TEST(Replacement, WhatMayNotGoStays) {
  const TempDir dir;
  make(dir / "model", "1");
  EXPECT_NE(error_text([&] { replace_folder(dir / "model", "2", nullptr); }).find("already exists"),
            std::string::npos);
  // A file that came while the new one was made, even at the last moment.
  for (const bool exchange : {true, false})
    for (const int allowed : {0, 1}) {
      const FileFaultGuard guard(exchange ? FileFault() : without_exchange());
      int asked = 0;
      EXPECT_EQ(error_text([&] {
                  replace_folder(dir / "model", "2", [&](const fs::path& existing) {
                    EXPECT_EQ(read_file(existing / "file"), "1");
                    if (asked++ == allowed) throw InputError("no");
                  });
                }),
                "no");
      EXPECT_EQ(read_file(dir / "model/file"), "1");
      EXPECT_EQ(names_in(dir.path()), std::set<std::string>{"model"});
    }
}

TEST(Replacement, AFileAndAFolderDoNotReplaceEachOther) {
  const TempDir dir;
  dir.write("file", "1");
  make(dir / "folder", "1");
  EXPECT_THROW(replace_folder(dir / "file", "2"), IoError);
  EXPECT_THROW(replace_file(dir / "folder", "2"), IoError);
  EXPECT_EQ(read_file(dir / "file"), "1");
  EXPECT_EQ(read_file(dir / "folder/file"), "1");
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"file", "folder"}));
}

TEST(Replacement, CleansWhatKilledOnesLeft) {
  const TempDir dir;
  make(name_of_gone(dir / "a"), "half");
  const fs::path other = name_of_gone(dir / "b");
  make(other, "of what is another's to clean");
  const fs::path ours = temporary_beside(dir / "a");
  make(ours, "another thread's");
  make(dir / "a.tmp-backup", "a user's");
  replace_file(dir / "a", "new");
  EXPECT_EQ(names_in(dir.path()),
            (std::set<std::string>{"a", "a.tmp-backup", ours.filename().string(),
                                   other.filename().string()}));
}

// At every call, with the swap that the kernel has and without it.
TEST(Replacement, AKillAtAnyCallLeavesTheOldOrTheNew) {
  for (const bool exchange : {true, false}) {
    bool finished = false, old_seen = false;
    for (int at = 0; !finished && at < 50; ++at) {
      const TempDir dir;
      make(dir / "model", "old");
      const pid_t child = fork();
      if (child == 0) {
        const FileFault killer = [left = at](std::string_view, const fs::path&,
                                             std::size_t*) mutable {
          if (left-- == 0) raise(SIGKILL);
          return 0;
        };
        set_file_fault(exchange ? killer : without_exchange(killer));
        try {
          replace_folder(dir / "model", "new");
        } catch (...) {
          _exit(1);
        }
        _exit(0);
      }
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      finished = WIFEXITED(status);
      { const Replacement next(dir / "model"); }  // what works there next
      const std::string found = read_file(dir / "model/file");
      EXPECT_TRUE(found == "old" || found == "new") << at;
      old_seen = old_seen || found == "old";
      EXPECT_TRUE(!finished || found == "new");
      EXPECT_EQ(names_in(dir.path()), std::set<std::string>{"model"}) << at;
    }
    EXPECT_TRUE(finished);
    EXPECT_TRUE(old_seen);
  }
}

TEST(Replacement, AnErrorAtAnyCallLeavesTheOldOrTheNew) {
  for (const bool exchange : {true, false})
    for (int at = 0; at < 20; ++at) {
      const TempDir dir;
      make(dir / "model", "old");
      bool failed = false;
      {
        const FileFault fault = [left = at](std::string_view, const fs::path&,
                                            std::size_t*) mutable { return left-- == 0 ? EIO : 0; };
        const FileFaultGuard guard(exchange ? fault : without_exchange(fault));
        try {
          replace_folder(dir / "model", "new");
        } catch (const IoError&) {
          failed = true;
        }
      }
      const std::string found = read_file(dir / "model/file");
      EXPECT_TRUE(found == "new" || (failed && found == "old")) << at << " " << found;
    }
}

TEST(Place, IsFoundBehindLinksAndSlashes) {
  const TempDir dir;
  const fs::path real = fs::canonical(dir.path());
  fs::create_directories(dir / "a/b");
  fs::create_directory_symlink(dir / "a", dir / "link");
  EXPECT_EQ(real_place(dir / "link/b/"), real / "a/b");
  EXPECT_EQ(real_place(dir / "a/./b/../c/"), real / "a/c");
  EXPECT_EQ(real_place("/"), "/");
  EXPECT_TRUE(is_within(real / "a/b", real / "a"));
  EXPECT_TRUE(is_within(real, real));
  EXPECT_TRUE(is_within(real, "/"));
  EXPECT_FALSE(is_within(real / "ab", real / "a"));
  EXPECT_FALSE(is_within(real, real / "a"));
}

TEST(Place, TheCurrentAndTheHomeFolderAreProtected) {
  const TempDir dir;
  const fs::path before = fs::current_path(), real = fs::canonical(dir.path());
  fs::create_directories(dir / "x/work/sub");
  fs::create_directories(dir / "y/home");
  fs::current_path(dir / "x/work");
  const Environment home("HOME", (dir / "y/home").string());
  EXPECT_EQ(protected_place("/"), "the root of the file system");
  EXPECT_EQ(protected_place(real / "x/work"), "the current folder");
  EXPECT_EQ(protected_place(real / "x"), "above the current folder");
  EXPECT_EQ(protected_place(real / "y/home"), "the home folder");
  EXPECT_EQ(protected_place(real / "y"), "above the home folder");
  EXPECT_EQ(protected_place(real / "x/work/sub"), "");
  EXPECT_EQ(protected_place(real / "z"), "");
  fs::current_path(before);
}

}  // namespace
}  // namespace gpt
