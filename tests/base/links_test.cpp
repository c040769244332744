// What may stand at a name that is about to be written.
#include <cerrno>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

class Links : public ::testing::Test {
 protected:
  void SetUp() override {
    alarm(30);  // nothing here may wait
    dir_.write("victim", "precious");
  }
  void TearDown() override {
    alarm(0);
    EXPECT_EQ(read_file(dir_ / "victim"), "precious");
  }
  fs::path link(const std::string& name) const {
    fs::create_symlink("victim", dir_ / name);
    return dir_ / name;
  }
  fs::path second_name(const std::string& name) const {
    fs::create_hard_link(dir_ / "victim", dir_ / name);
    return dir_ / name;
  }
  static void append(const fs::path& path, const std::string& text) {
    OutputFile file(path, OutputFile::kAppend);
    file.write(text);
  }
  const TempDir dir_;
};

TEST_F(Links, ANewFileTakesTheirPlace) {
  for (const fs::path& path : {link("a"), second_name("b")}) {
    OutputFile(path).write("new");
    EXPECT_EQ(fs::symlink_status(path).type(), fs::file_type::regular);
    EXPECT_EQ(read_file(path), "new");
  }
}

TEST_F(Links, AppendingAndLockingRefuseThem) {
  fs::create_symlink("nowhere", dir_ / "dangling");
  for (const fs::path& path : {link("a"), dir_ / "dangling"})
    for (const auto& work : {std::function([&] { append(path, "x"); }),
                             std::function([&] { FileLock::try_lock(path, nullptr); })}) {
      EXPECT_EQ(error_text(work).find(path.string() + ": is a symbolic link"), 0u)
          << error_text(work);
      EXPECT_THROW(work(), IoError);
    }
  EXPECT_FALSE(fs::exists(dir_ / "nowhere"));
}

TEST_F(Links, AReplacementTakesTheLinksPlace) {
  const fs::path path = link("config.json");
  link("config.json.tmp-" + std::to_string(getpid()));  // the name next to it, guessed
  replace_file(path, "new");
  EXPECT_EQ(fs::symlink_status(path).type(), fs::file_type::regular);
  EXPECT_EQ(read_file(path), "new");
}

TEST_F(Links, AFolderMayBeOne) {
  fs::create_directory(dir_ / "elsewhere");
  fs::create_directory_symlink("elsewhere", dir_ / "out");
  make_directories(dir_ / "out/step");
  replace_file(dir_ / "out/step/a", "x");
  append(dir_ / "out/b", "y");
  EXPECT_TRUE(FileLock::try_lock(dir_ / "out/lock", nullptr));
  EXPECT_EQ(read_file(dir_ / "elsewhere/step/a"), "x");
  EXPECT_EQ(read_file(dir_ / "elsewhere/b"), "y");
}

// As in a folder that `cp -al` made.
TEST_F(Links, AppendingToASecondNameLeavesTheFirst) {
  const fs::path path = second_name("metrics.jsonl");
  append(path, " and more");
  append(path, "!");
  EXPECT_EQ(read_file(path), "precious and more!");
}

TEST_F(Links, ALockWithASecondNameIsHeldButNotWritten) {
  const fs::path path = second_name("run.lock");
  const auto lock = FileLock::try_lock(path, nullptr);
  EXPECT_TRUE(lock);
  std::string owner;
  EXPECT_FALSE(FileLock::try_lock(path, &owner));  // flock is between open files
  EXPECT_EQ(owner, "a process that does not say which");
}

TEST_F(Links, PipesAndFoldersAreRefused) {
  ASSERT_EQ(mkfifo((dir_ / "pipe").c_str(), 0600), 0);
  fs::create_directory(dir_ / "folder");
  for (const auto& [name, kind] : {std::pair("pipe", "a pipe"), std::pair("folder", "a folder")}) {
    const fs::path path = dir_ / name;
    for (const auto& work :
         {std::function([&] { OutputFile file(path); }), std::function([&] { append(path, "x"); }),
          std::function([&] { FileLock::try_lock(path, nullptr); })}) {
      EXPECT_EQ(error_text(work),
                path.string() + ": is " + kind + ", expected a regular file or none; move it away");
      EXPECT_THROW(work(), IoError);
    }
  }
  EXPECT_THROW(replace_file(dir_ / "pipe", "x"), IoError);
  EXPECT_EQ(fs::status(dir_ / "pipe").type(), fs::file_type::fifo);
}

TEST_F(Links, ADeviceIsWrittenButNeverReplaced) {
  append("/dev/null", "x");
  OutputFile("/dev/null").write("x");
  EXPECT_EQ(fs::status("/dev/null").type(), fs::file_type::character);
  EXPECT_THROW(rename_path(dir_.write("a", "x"), "/dev/null"), IoError);
  EXPECT_EQ(fs::status("/dev/null").type(), fs::file_type::character);
}

TEST_F(Links, TruncatesWhatIsOpen) {
  OutputFile file(dir_.write("a", "123456"), OutputFile::kAppend);
  file.truncate(3);
  file.write("x");
  EXPECT_EQ(read_file(dir_ / "a"), "123x");
}

}  // namespace
}  // namespace gpt
