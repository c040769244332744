// The part of files.h that works on names, folders and locks.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <fcntl.h>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "gpt/base/files.h"
#include "gpt/base/strings.h"

#include "file_calls.h"
#include "file_system_support.h"
#include "open_file.h"

namespace gpt {

namespace {

FileFault& fault() {
  static FileFault hook;
  return hook;
}

}  // namespace

void set_file_fault(FileFault hook) {
  fault() = std::move(hook);
}

int injected_fault(std::string_view call, const fs::path& path, std::size_t* length) {
  return fault() ? fault()(call, path, length) : 0;
}

bool present(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(fs::symlink_status(path, unknown));
}

bool file_exists(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(path, unknown);
}

void make_directories(const fs::path& path) {
  std::error_code ignored;  // what matters comes back from mkdir
  if (path.empty() || fs::is_directory(path, ignored)) return;
  make_directories(path.parent_path());
  file_call("mkdir", path, [&] {
    const int result = mkdir(path.c_str(), 0755);
    return result != 0 && errno == EEXIST && fs::is_directory(path, ignored) ? 0 : result;
  });
}

// A folder that may be written and not read cannot be opened for it either.
void sync_directory(const fs::path& path) {
  int descriptor = -1;
  try {
    descriptor = file_call("open", path,
                           [&] { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    file_call("fsync_dir", path, [&] { return fsync(descriptor); });
  } catch (const IoError& error) {
    if (descriptor >= 0) close(descriptor);
    if (!is_not_supported(error.error())) throw;
    return warn_unsupported(Unsupported::kFolderSync, path, error.error());
  }
  close(descriptor);
}

// Where something holds a folder for a moment (a scanner, a file manager), it is tried again.
void rename_path(const fs::path& from, const fs::path& to) {
  constexpr int kTries = 5;
  expect_replaceable(to);
  for (int attempt = 1;; ++attempt) {
    try {
      file_call("rename", from, [&] { return rename(from.c_str(), to.c_str()); });
      return;
    } catch (const IoError& error) {
      const bool held = error.error() == EACCES || error.error() == EBUSY;
      if (!held || attempt == kTries) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(50) * attempt);
    }
  }
}

void remove_tree(const fs::path& path) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0) {
    if (errno == ENOENT) return;
    throw IoError(path.string(), "stat", errno);
  }
  if (!S_ISDIR(facts.st_mode)) {
    file_call("unlink", path, [&] { return unlink(path.c_str()); });
    return;
  }
  std::vector<fs::path> children;
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error))
    children.push_back(entry->path());
  if (error) throw IoError(path.string(), "list", error.value());
  std::sort(children.begin(), children.end());  // the same order every time
  for (const fs::path& child : children) remove_tree(child);
  file_call("rmdir", path, [&] { return rmdir(path.c_str()); });
}

std::optional<std::uint64_t> free_bytes(const fs::path& path) {
  std::error_code ignored;
  fs::path existing = fs::absolute(path, ignored);
  while (!file_exists(existing) && existing.has_relative_path()) existing = existing.parent_path();
  struct statvfs facts {};
  file_call("statvfs", existing, [&] { return statvfs(existing.c_str(), &facts); });
  if (facts.f_blocks == 0) return std::nullopt;
  return static_cast<std::uint64_t>(facts.f_bavail) * facts.f_frsize;
}

namespace {

constexpr std::string_view kOwner = "process ";

// What the holder of the lock wrote; the file may be somebody else's under a second name.
std::string owner_in(int descriptor) {
  char text[256];
  const auto length = pread(descriptor, text, sizeof text, 0);
  const std::string_view said(text, static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  return said.starts_with(kOwner) ? std::string(said) : "a process that does not say which";
}

}  // namespace

std::optional<FileLock> FileLock::try_lock(const fs::path& path, std::string* owner) {
  const int descriptor = open_to_change(path, O_RDWR).release();
  FileLock lock(descriptor);
  try {
    file_call("lock", path, [&] { return flock(descriptor, LOCK_EX | LOCK_NB); });
  } catch (const IoError& error) {
    if (is_not_supported(error.error())) {
      warn_unsupported(Unsupported::kLock, path, error.error());
      return lock;
    }
    if (error.error() != EWOULDBLOCK) throw;
    if (owner) *owner = owner_in(descriptor);
    return std::nullopt;
  }
  if (name_count(descriptor) > 1) return lock;
  char started[32];
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  std::strftime(started, sizeof started, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &local));
  const std::string mine = concat(kOwner, getpid(), ", started ", started);
  // Only a courtesy to whoever is refused; the lock holds without it.
  if (ftruncate(descriptor, 0) == 0 && pwrite(descriptor, mine.data(), mine.size(), 0) < 0)
    errno = 0;
  return lock;
}

bool FileLock::is_at(const fs::path& path) const {
  struct stat locked {
  }, named{};
  return fstat(descriptor_, &locked) == 0 && stat(path.c_str(), &named) == 0 &&
         locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

FileLock::~FileLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

FileLock::FileLock(FileLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

}  // namespace gpt
