#include "gpt/dataprep/dataset_folder.h"

#include <csignal>
#include <set>
#include <sys/wait.h>

#include "gpt/base/files.h"

#include "support/error_text.h"
#include "support/gone_process.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::names_in;
using testing::TempDir;

void write_all(const DatasetFolder& folder, const std::string& text) {
  for (const char* name : {"train.bin", "val.bin", "meta.json"})
    replace_file(folder.temporary(name), name + text);
}

void fill(const fs::path& path, const std::string& text) {
  DatasetFolder folder(path, true);
  write_all(folder, text);
  folder.publish();
}

void expect_filled(const fs::path& path, const std::string& text) {
  for (const std::string name : {"train.bin", "val.bin", "meta.json"})
    EXPECT_EQ(read_file(path / name), name + text);
}

TEST(DatasetFolder, PublishesAllThreeFiles) {
  const TempDir temp;
  const fs::path out = temp / "a/b";
  {
    DatasetFolder folder(out, false);
    write_all(folder, "1");
    EXPECT_FALSE(fs::exists(out / "train.bin"));
    folder.publish();
  }
  expect_filled(out, "1");
  EXPECT_EQ(names_in(out),
            (std::set<std::string>{"train.bin", "val.bin", "meta.json", ".prepare.lock"}));
}

TEST(DatasetFolder, RemovesWhatWasNotPublished) {
  const TempDir temp;
  fill(temp / "out", "1");
  {
    const DatasetFolder folder(temp / "out", true);
    write_all(folder, "2");
    EXPECT_EQ(read_file(temp / "out/val.bin.tmp"), "val.bin2");
  }
  expect_filled(temp / "out", "1");
  EXPECT_FALSE(fs::exists(temp / "out/val.bin.tmp"));
}

TEST(DatasetFolder, AnyFileOfADatasetIsKept) {
  for (const char* name : {"train.bin", "val.bin", "meta.json"}) {
    const TempDir temp;
    temp.write(name, "old");
    EXPECT_EQ(error_text<InputError>([&] { DatasetFolder(temp.path(), false); }),
              temp.path().string() + ": already holds a dataset (" + name +
                  "); choose another --out, or replace it with --force");
    DatasetFolder(temp.path(), true);
  }
}

TEST(DatasetFolder, AFileIsNoFolder) {
  const TempDir temp;
  const auto file = temp.write("file", "");
  for (const bool replace : {false, true})
    EXPECT_EQ(error_text<InputError>([&] { DatasetFolder(file, replace); }),
              file.string() + ": expected a folder to write to, found a file");
}

// --force replaces the three files of a dataset, and leaves everything else as it is.
TEST(DatasetFolder, OtherFilesStay) {
  const TempDir temp;
  fill(temp / "out", "1");
  const std::set<std::string> others{"notes.txt", "train.bin.tmp-notes", "train.bin.bak",
                                     ".prepare.state.tmp-1", "meta.pkl"};
  for (const std::string& name : others) temp.write("out/" + name, "mine");
  const fs::path half = testing::name_of_gone(temp / "out/.prepare.state");
  replace_file(half, "half");
  fill(temp / "out", "2");
  expect_filled(temp / "out", "2");
  for (const std::string& name : others) EXPECT_EQ(read_file(temp / "out" / name), "mine") << name;
  EXPECT_FALSE(fs::exists(half));
}

TEST(DatasetFolder, AUsersFileUnderANameOfOursIsKept) {
  const TempDir temp;
  temp.write("train.bin.tmp", "mine");
  for (const bool replace : {false, true})
    EXPECT_NE(error_text<InputError>([&] {
                DatasetFolder(temp.path(), replace);
              }).find("train.bin.tmp: is in the way"),
              std::string::npos);
  EXPECT_EQ(names_in(temp.path()), std::set<std::string>{"train.bin.tmp"});
}

TEST(DatasetFolder, AFolderInAFilesPlaceIsKept) {
  for (const char* name : {"train.bin", "val.bin", "meta.json"}) {
    const TempDir temp;
    fs::create_directories(temp.path() / name);
    temp.write(std::string(name) + "/precious", "x");
    EXPECT_NE(error_text<InputError>([&] {
                DatasetFolder(temp.path(), true);
              }).find("is a folder, where"),
              std::string::npos);
    EXPECT_EQ(read_file(temp.path() / name / "precious"), "x");
  }
}

TEST(DatasetFolder, ASecondWriterIsKeptOut) {
  const TempDir temp;
  {
    const DatasetFolder busy(temp.path(), false);
    EXPECT_EQ(error_text<InputError>([&] {
                DatasetFolder(temp.path(), true);
              }).find(temp.path().string() + ": another gpttrain prepare writes here ("),
              0u);
  }
  DatasetFolder(temp.path(), true);
}

TEST(DatasetFolder, KnowsItsOwnFiles) {
  const TempDir temp;
  EXPECT_TRUE(DatasetFolder::is_ours(temp.path() / ".", temp / "train.bin"));
  EXPECT_TRUE(DatasetFolder::is_ours(temp.path(), temp / "meta.json.tmp"));
  EXPECT_FALSE(DatasetFolder::is_ours(temp.path(), temp / "input.txt"));
  EXPECT_FALSE(DatasetFolder::is_ours(temp / "other", temp / "train.bin"));
}

// Kills a process that replaces a dataset at each of its file calls, one after the other.
TEST(DatasetFolder, AKillAtAnyCallLeavesNoHalfDataset) {
  const TempDir temp;
  const fs::path out = temp / "out";
  bool finished = false;
  int old_kept = 0, without = 0;
  for (int calls = 0; !finished && calls < 200; ++calls) {
    fill(out, "1");
    const pid_t child = ::fork();
    if (child == 0) {
      set_file_fault([left = calls](std::string_view, const fs::path&, std::size_t*) mutable {
        if (left-- == 0) ::raise(SIGKILL);
        return 0;
      });
      try {
        fill(out, "2");
        ::_exit(0);
      } catch (...) {
        ::_exit(1);
      }
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    finished = WIFEXITED(status);
    EXPECT_TRUE(!finished || WEXITSTATUS(status) == 0);
    if (!fs::exists(out / "train.bin")) {
      ++without;
    } else if (read_file(out / "train.bin") == "train.bin1") {
      ++old_kept;
      expect_filled(out, "1");
    } else {
      expect_filled(out, "2");
    }
  }
  EXPECT_TRUE(finished);
  EXPECT_GT(old_kept, 5);
  EXPECT_GT(without, 0);
}

}  // namespace
}  // namespace gpt
