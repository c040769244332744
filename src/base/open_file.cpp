#include "open_file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

#include "file_calls.h"

namespace gpt {

namespace fs = std::filesystem;

namespace {

const char* kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "a folder";
    case S_IFLNK:
      return "a symbolic link";
    case S_IFIFO:
      return "a pipe";
    case S_IFSOCK:
      return "a socket";
    case S_IFREG:
      return "a regular file";
    default:
      return "a device";
  }
}

[[noreturn]] void cannot_read(const fs::path& path, int error) {
  throw InputError(path.string() + ": cannot read: " + std::strerror(error));
}

void expect_regular(const fs::path& path, mode_t mode, Streams streams) {
  if (S_ISREG(mode)) return;
  if (S_ISDIR(mode)) cannot_read(path, EISDIR);
  throw InputError(concat(path.string(), ": is ", kind_of(mode), "; expected a regular file",
                          streams == Streams::kHandedOver
                              ? "; a stream can be given as /dev/stdin, or with a shell's <(...)"
                              : ""));
}

// From here on it may wait: it is a regular file, and children may share the descriptor.
void set_blocking(int descriptor) {
  const int flags = fcntl(descriptor, F_GETFL);
  if (flags >= 0) fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK);
}

// Says what stands at a name, where the text of the error number would not help.
class WrongKind : public IoError {
 public:
  WrongKind(const fs::path& path, const std::string& what, int error)
      : IoError(path.string(), "open", error), text_(path.string() + ": is " + what) {}
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  std::string text_;
};

// Of a file that is to be written and has what cannot be written at its name.
[[noreturn]] void cannot_write(const fs::path& path, mode_t mode) {
  if (S_ISLNK(mode))
    throw WrongKind(path,
                    "a symbolic link, and nothing is written through one here; remove it (what it "
                    "points to stays as it is), or put the file itself in its place",
                    ELOOP);
  throw WrongKind(path, concat(kind_of(mode), ", expected a regular file or none; move it away"),
                  S_ISDIR(mode) ? EISDIR : EEXIST);
}

// As the last call on `path` failed with `error`: says so if what stands there is the reason.
int refused_by_kind(const fs::path& path, int error) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) == 0 && !S_ISREG(facts.st_mode) && !S_ISCHR(facts.st_mode))
    cannot_write(path, facts.st_mode);
  errno = error;
  return -1;
}

// Replaces a file or a link of that name.
int create(const fs::path& path) {
  constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  const int made = open(path.c_str(), kNew, 0644);
  if (made >= 0 || errno != EEXIST) return made;
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0) return -1;
  if (S_ISCHR(facts.st_mode))
    return open(path.c_str(), O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
  if (!S_ISREG(facts.st_mode) && !S_ISLNK(facts.st_mode)) cannot_write(path, facts.st_mode);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) return -1;
  return open(path.c_str(), kNew, 0644);
}

}  // namespace

Descriptor open_to_read(const fs::path& path, Streams streams) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) cannot_read(path, errno);
  const auto given = streams == Streams::kHandedOver ? handed_over(path) : std::nullopt;
  if (given && !S_ISREG(facts.st_mode) && !S_ISDIR(facts.st_mode)) {
    Descriptor same(fcntl(*given, F_DUPFD_CLOEXEC, 3));
    if (same.number() < 0) cannot_read(path, errno);
    return same;
  }
  expect_regular(path, facts.st_mode, streams);  // opening a device may already do something
  Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.number() < 0 || fstat(file.number(), &facts) != 0) cannot_read(path, errno);
  expect_regular(path, facts.st_mode, streams);  // it may have been replaced meanwhile
  set_blocking(file.number());
  return file;
}

Descriptor open_new(const fs::path& path) {
  return Descriptor(file_call("open", path, [&] { return create(path); }));
}

Descriptor open_to_change(const fs::path& path, int flags) {
  constexpr int kCareful = O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  Descriptor file(file_call("open", path, [&] {
    const int opened = open(path.c_str(), flags | kCareful, 0644);
    return opened < 0 ? refused_by_kind(path, errno) : opened;
  }));
  struct stat facts {};
  if (fstat(file.number(), &facts) != 0) throw IoError(path.string(), "stat", errno);
  if (!S_ISREG(facts.st_mode) && !S_ISCHR(facts.st_mode)) cannot_write(path, facts.st_mode);
  set_blocking(file.number());
  return file;
}

nlink_t name_count(int descriptor) {
  struct stat facts {};
  return fstat(descriptor, &facts) == 0 ? facts.st_nlink : 1;
}

void expect_replaceable(const fs::path& path) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) != 0 || S_ISREG(facts.st_mode) || S_ISLNK(facts.st_mode) ||
      S_ISDIR(facts.st_mode))
    return;
  cannot_write(path, facts.st_mode);
}

}  // namespace gpt
