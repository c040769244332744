#include "gpt/base/files.h"

#include <algorithm>
#include <cerrno>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "gpt/base/error.h"

#include "support/error_text.h"
#include "support/file_fault.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::FileFaultGuard;
using testing::TempDir;

FileFault failing(const std::string& name, int error) {
  return [=](std::string_view call, const fs::path&, std::size_t*) {
    return call == name ? error : 0;
  };
}

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(Files, ReadsWholeFiles) {
  const TempDir dir;
  const std::string big = std::string(200'000, 'x') + std::string("\0\xff\n", 3);
  EXPECT_EQ(read_file(dir.write("big", big)), big);
  EXPECT_EQ(read_file(dir.write("empty", "")), "");
}

TEST(Files, WhatCannotBeReadIsTheUsersMistake) {
  const TempDir dir;
  EXPECT_THROW(read_file(dir / "none"), InputError);
  EXPECT_THROW(MappedFile(dir / "none"), InputError);
  EXPECT_EQ(error_text([&] { read_file(dir / "none"); }),
            (dir / "none").string() + ": cannot read: No such file or directory");
  EXPECT_NE(error_text([&] { read_file(dir.path()); }).find("Is a directory"), std::string::npos);
  EXPECT_NE(error_text([&] { MappedFile file(dir.path()); }).find("Is a directory"),
            std::string::npos);
}

TEST(Files, MapsFiles) {
  const TempDir dir;
  MappedFile first(dir.write("a", "hello"));
  const MappedFile file(std::move(first));
  EXPECT_TRUE(first.bytes().empty());
  ASSERT_EQ(file.bytes().size(), 5u);
  EXPECT_EQ(file.bytes()[4], static_cast<std::byte>('o'));
  EXPECT_TRUE(MappedFile(dir.write("b", "")).bytes().empty());
}

TEST(Files, WritesAndAppends) {
  const TempDir dir;
  {
    OutputFile file(dir / "a");
    file.write("one");
    file.sync();
    file.close();
  }
  {
    OutputFile file(dir / "a", OutputFile::kAppend);
    file.write("two");  // kept without close()
  }
  EXPECT_EQ(read_file(dir / "a"), "onetwo");
  OutputFile(dir / "a").close();
  EXPECT_EQ(read_file(dir / "a"), "");
}

TEST(Files, ShortWritesAreContinued) {
  const TempDir dir;
  int calls = 0;
  const FileFaultGuard guard([&](std::string_view call, const fs::path&, std::size_t* length) {
    if (call == "write") *length = std::min<std::size_t>(*length, 3), ++calls;
    return 0;
  });
  OutputFile file(dir / "a");
  file.write("0123456789");
  file.close();
  EXPECT_EQ(read_file(dir / "a"), "0123456789");
  EXPECT_EQ(calls, 4);
}

TEST(Files, ALinkThatLeadsNowhereIsPresentAndNoFile) {
  const TempDir dir;
  const fs::path file = dir.write("file", ""), link = dir / "link";
  fs::create_symlink("nowhere", link);
  EXPECT_TRUE(present(file) && file_exists(file));
  EXPECT_TRUE(present(link));
  EXPECT_FALSE(file_exists(link));
  // Below a file, and of a name that no file system takes.
  for (const fs::path& path : {dir / "none", file / "below", dir / std::string(5000, 'x')})
    EXPECT_FALSE(present(path) || file_exists(path));
}

TEST(Files, FaultsCarryTheirErrno) {
  const TempDir dir;
  const auto path = dir.write("a", "x");
  const auto error_of = [&](const std::string& call, const std::function<void()>& run) {
    const FileFaultGuard guard(failing(call, EDQUOT));
    try {
      run();
    } catch (const IoError& error) {
      const std::string said = call == "mkdir" ? "make a folder" : call;
      EXPECT_NE(std::string(error.what()).find("cannot " + said), std::string::npos);
      return error.error();
    }
    return 0;
  };
  OutputFile open_file(dir / "b");
  EXPECT_EQ(error_of("open", [&] { OutputFile file(path); }), EDQUOT);
  EXPECT_EQ(error_of("write", [&] { open_file.write("x"); }), EDQUOT);
  EXPECT_EQ(error_of("fsync", [&] { open_file.sync(); }), EDQUOT);
  EXPECT_EQ(error_of("close", [&] { open_file.close(); }), EDQUOT);
  EXPECT_EQ(error_of("rename", [&] { rename_path(path, dir / "c"); }), EDQUOT);
  EXPECT_EQ(error_of("unlink", [&] { remove_tree(path); }), EDQUOT);
  EXPECT_EQ(error_of("rmdir", [&] { remove_tree(dir.path()); }), EDQUOT);
  EXPECT_EQ(error_of("mkdir", [&] { make_directories(dir / "d/e"); }), EDQUOT);
  EXPECT_EQ(error_of("fsync_dir", [&] { sync_directory(dir.path()); }), EDQUOT);
  EXPECT_EQ(error_of("statvfs", [&] { free_bytes(dir.path()); }), EDQUOT);
}

// SMB, 9p and FUSE know no fsync of folders, some none at all; a disk that fails is another matter.
TEST(Files, WhatAFileSystemDoesNotSyncIsAWarning) {
  const TempDir dir;
  for (const int error : {EINVAL, ENOTSUP, ENOLCK, EACCES, ENOSYS})
    for (const char* call : {"fsync_dir", "fsync"}) {
      const FileFaultGuard guard(failing(call, error));
      EXPECT_NO_THROW(sync_directory(dir.path())) << error;
      EXPECT_NO_THROW(replace_file(dir / "a", "text")) << call << " " << error;
    }
  for (const char* call : {"fsync_dir", "fsync"}) {
    const FileFaultGuard guard(failing(call, EIO));
    EXPECT_THROW(replace_file(dir / "a", "text"), IoError) << call;
  }
}

// Lustre without flock, some FUSE; the lock of another is another matter.
TEST(Files, WithoutLocksALockIsAWarning) {
  const TempDir dir;
  for (const int error : {EINVAL, ENOTSUP, ENOLCK, EACCES, ENOSYS}) {
    const FileFaultGuard guard(failing("lock", error));
    EXPECT_TRUE(FileLock::try_lock(dir / "lock", nullptr).has_value()) << error;
  }
  const FileFaultGuard guard(failing("lock", EIO));
  EXPECT_THROW(FileLock::try_lock(dir / "lock", nullptr), IoError);
}

TEST(Files, WhereNothingIsMappedFilesAreRead) {
  const TempDir dir;
  const auto path = dir.write("a", "the text");
  for (const int error : {EINVAL, ENOTSUP, ENODEV, EACCES, ENOSYS}) {
    const FileFaultGuard guard(failing("mmap", error));
    const MappedFile file(path);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()),
              "the text")
        << error;
    EXPECT_NO_THROW(file.check_unchanged());
  }
  for (const int error : {EIO, ENOMEM}) {
    const FileFaultGuard guard(failing("mmap", error));
    EXPECT_THROW(MappedFile{path}, InputError) << error;
  }
}

TEST(Files, AFolderThatIsHeldForAMomentIsRenamedAfterwards) {
  const TempDir dir;
  std::filesystem::create_directory(dir / "a");
  int refusals = 0;
  {
    const FileFaultGuard guard([&](std::string_view call, const fs::path&, std::size_t*) {
      return call == "rename" && refusals++ < 2 ? EACCES : 0;
    });
    rename_path(dir / "a", dir / "b");
  }
  EXPECT_EQ(refusals, 3);
  EXPECT_TRUE(present(dir / "b"));
}

TEST(Files, RealErrorsCarryTheirErrno) {
  try {
    OutputFile file("/dev/full");
    file.write("x");
    FAIL();
  } catch (const IoError& error) {
    EXPECT_EQ(error.error(), ENOSPC);
  }
}

TEST(Files, ReplaceLeavesTheOldOrTheNew) {
  const TempDir dir;
  const fs::path path = dir / "config.json";
  replace_file(path, "old");
  for (const std::string call : {"open", "write", "fsync", "close", "rename"}) {
    const FileFaultGuard guard(failing(call, EIO));
    EXPECT_THROW(replace_file(path, "new"), IoError) << call;
    EXPECT_EQ(read_file(path), "old") << call;
    EXPECT_EQ(entries(dir.path()), 1u) << call << " left its file behind";
  }
  replace_file(path, "new");
  EXPECT_EQ(read_file(path), "new");
  EXPECT_EQ(entries(dir.path()), 1u);
}

TEST(Files, ReplaceSyncsBeforeTheRename) {
  const TempDir dir;
  std::string calls;
  const FileFaultGuard guard([&](std::string_view call, const fs::path&, std::size_t*) {
    calls += std::string(call) + " ";
    return 0;
  });
  replace_file(dir / "a", "x");
  EXPECT_EQ(calls, "open write fsync close rename open fsync_dir ");
}

TEST(Files, FoldersComeAndGo) {
  const TempDir dir;
  make_directories(dir / "a/b/c");
  make_directories(dir / "a/b/c");
  dir.write("a/b/f", "x");
  fs::create_symlink(dir.path(), dir / "a/link");  // must not be followed
  dir.write("stays", "x");
  remove_tree(dir / "a");
  EXPECT_FALSE(fs::exists(dir / "a"));
  EXPECT_TRUE(fs::exists(dir / "stays"));
  remove_tree(dir / "a");
  EXPECT_THROW(make_directories(dir / "stays/x"), IoError);
}

TEST(Files, FreeBytesOfAPathThatIsNotThereYet) {
  const TempDir dir;
  EXPECT_GT(free_bytes(dir / "not/yet/there"), 0u);
  EXPECT_THROW(
      {
        const FileFaultGuard guard(failing("statvfs", EIO));
        free_bytes(dir / "x");
      },
      IoError);
}

// /proc has no blocks, as ramfs and many of FUSE.
TEST(Files, FreeBytesAreUnknownWhereTheFileSystemDoesNotSay) {
  EXPECT_EQ(free_bytes("/proc"), std::nullopt);
}

// A child that holds the lock until its pipe is closed, or dies with it.
class LockHolder {
 public:
  explicit LockHolder(const fs::path& path) {
    int to_child[2], to_parent[2];
    if (pipe(to_child) != 0 || pipe(to_parent) != 0) std::abort();
    child_ = fork();
    if (child_ == 0) {
      close(to_child[1]);
      const auto lock = FileLock::try_lock(path, nullptr);
      const char answer = lock ? 'y' : 'n';
      if (write(to_parent[1], &answer, 1) != 1) _exit(1);
      char byte;
      while (read(to_child[0], &byte, 1) > 0) continue;
      _exit(0);
    }
    close(to_child[0]);
    close(to_parent[1]);
    stop_ = to_child[1];
    char answer = 'n';
    holds_ = read(to_parent[0], &answer, 1) == 1 && answer == 'y';
    close(to_parent[0]);
  }
  ~LockHolder() { end(0); }
  LockHolder(const LockHolder&) = delete;
  LockHolder& operator=(const LockHolder&) = delete;
  void end(int signal) {
    if (child_ <= 0) return;
    if (signal != 0) kill(child_, signal);
    close(stop_);
    waitpid(child_, nullptr, 0);
    child_ = 0;
  }
  bool holds() const { return holds_; }
  pid_t process() const { return child_; }

 private:
  pid_t child_ = 0;
  int stop_ = -1;
  bool holds_ = false;
};

TEST(FileLock, RefusesASecondProcessAndNamesTheFirst) {
  const TempDir dir;
  LockHolder holder(dir / "lock");
  ASSERT_TRUE(holder.holds());
  std::string owner;
  EXPECT_FALSE(FileLock::try_lock(dir / "lock", &owner));
  EXPECT_EQ(owner.find("process " + std::to_string(holder.process()) + ", started "), 0u) << owner;
  EXPECT_FALSE(FileLock::try_lock(dir / "lock", nullptr));
  holder.end(SIGKILL);  // the lock goes with the process however that ends
  auto lock = FileLock::try_lock(dir / "lock", &owner);
  ASSERT_TRUE(lock);
  EXPECT_FALSE(LockHolder(dir / "lock").holds());
  const FileLock moved(std::move(*lock));
  lock.reset();
  EXPECT_FALSE(LockHolder(dir / "lock").holds());
}

TEST(FileLock, GoesWithTheObject) {
  const TempDir dir;
  { const auto lock = FileLock::try_lock(dir / "lock", nullptr); }
  EXPECT_TRUE(LockHolder(dir / "lock").holds());
}

}  // namespace
}  // namespace gpt
