// Preloaded, it plays a file system that refuses calls for what lies below $REFUSE_UNDER: those
// that $REFUSE_CALLS names (flock, fsync, fsync_dir, mmap), with errno $REFUSE_ERRNO. memfd_create
// it refuses wherever that is.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace {

// Whether the call is refused; errno says why.
bool refused(const char* call, int descriptor) {
  const char *calls = std::getenv("REFUSE_CALLS"), *under = std::getenv("REFUSE_UNDER"),
             *error = std::getenv("REFUSE_ERRNO");
  if (!calls || !under || !error || descriptor < 0) return false;
  bool named = false;
  const std::size_t length = std::strlen(call);
  for (const char* at = calls; (at = std::strstr(at, call)); at += length)
    named = named || at[length] == '\0' || at[length] == ' ';
  char link[64] = "/proc/self/fd/", path[PATH_MAX];
  char digits[16];
  int count = 0;
  do {
    digits[count++] = static_cast<char>('0' + descriptor % 10);
    descriptor /= 10;
  } while (descriptor > 0);
  std::size_t end = std::strlen(link);
  while (count > 0) link[end++] = digits[--count];
  const ssize_t size = named ? readlink(link, path, sizeof path) : -1;
  const std::size_t root = std::strlen(under);
  if (size < static_cast<ssize_t>(root) || std::memcmp(path, under, root) != 0) return false;
  errno = std::atoi(error);
  return true;
}

void* mapped(void* address, std::size_t size, int protection, int flags, int file, off_t offset) {
  if (!(flags & MAP_ANONYMOUS) && refused("mmap", file)) return MAP_FAILED;
  return reinterpret_cast<void*>(syscall(SYS_mmap, address, size, protection, flags, file, offset));
}

}  // namespace

extern "C" {

int flock(int descriptor, int operation) noexcept {
  if (refused("flock", descriptor)) return -1;
  return static_cast<int>(syscall(SYS_flock, descriptor, operation));
}

int fsync(int descriptor) {
  struct stat facts {};
  const bool folder = fstat(descriptor, &facts) == 0 && S_ISDIR(facts.st_mode);
  if (refused(folder ? "fsync_dir" : "fsync", descriptor)) return -1;
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}

int memfd_create(const char* name, unsigned flags) noexcept {
  const char *calls = std::getenv("REFUSE_CALLS"), *error = std::getenv("REFUSE_ERRNO");
  if (calls && error && std::strstr(calls, "memfd_create")) {
    errno = std::atoi(error);
    return -1;
  }
  return static_cast<int>(syscall(SYS_memfd_create, name, flags));
}

void* mmap(void* address, std::size_t size, int protection, int flags, int file,
           off_t offset) noexcept {
  return mapped(address, size, protection, flags, file, offset);
}

void* mmap64(void* address, std::size_t size, int protection, int flags, int file,
             off_t offset) noexcept {
  return mapped(address, size, protection, flags, file, offset);
}
}
