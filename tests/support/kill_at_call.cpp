// Preloaded into a run of several processes: at the KILL_AT-th call (from 1) that rank 0 makes on
// files whose path contains KILL_PATH, rank KILL_RANK is killed as by kill -9, before the call. Of
// the writes to a file, the first and the second count; those that follow are like the second.
#include <array>
#include <atomic>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace {

constexpr int kMostFiles = 4096;
constexpr int kCountedWrites = 2;
std::array<std::atomic<bool>, kMostFiles> watched;
std::array<std::atomic<int>, kMostFiles> writes;
std::atomic<int> calls = 0;

int number(const char* name) {
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : -1;
}

// The launcher starts its ranks in order and nothing else.
pid_t process_of(int rank) {
  if (rank == 0) return getpid();
  char path[64], list[4096] = {};
  std::snprintf(path, sizeof path, "/proc/%d/task/%d/children", getppid(), getppid());
  FILE* file = std::fopen(path, "r");
  if (!file) std::abort();
  const std::size_t length = std::fread(list, 1, sizeof list - 1, file);
  std::fclose(file);
  char* at = list;
  long id = 0;
  for (int i = 0; i <= rank && at < list + length; ++i) id = std::strtol(at, &at, 10);
  if (id <= 0) std::abort();
  return static_cast<pid_t>(id);
}

bool is_watched(const char* path) {
  static const bool active = number("RANK") == 0 && std::getenv("KILL_PATH");
  return active && path && std::strstr(path, std::getenv("KILL_PATH"));
}

void count() {
  static const int at = number("KILL_AT"), rank = number("KILL_RANK");
  if (++calls != at) return;
  kill(process_of(rank), SIGKILL);
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

int open_as(const char* name, const char* path, int flags, mode_t mode) {
  const bool ours = is_watched(path);
  if (ours) count();
  const int file = next<int (*)(const char*, int, ...)>(name)(path, flags, mode);
  if (file >= 0 && file < kMostFiles) {
    watched[static_cast<std::size_t>(file)] = ours;
    writes[static_cast<std::size_t>(file)] = 0;
  }
  return file;
}

bool is_watched(int file) {
  return file >= 0 && file < kMostFiles && watched[static_cast<std::size_t>(file)];
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  return open_as("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  return open_as("open64", path, flags, mode);
}

ssize_t write(int file, const void* data, std::size_t size) {
  if (is_watched(file) && ++writes[static_cast<std::size_t>(file)] <= kCountedWrites) count();
  return next<ssize_t (*)(int, const void*, std::size_t)>("write")(file, data, size);
}

int fsync(int file) {
  if (is_watched(file)) count();
  return next<int (*)(int)>("fsync")(file);
}

int close(int file) {
  if (is_watched(file)) {
    count();
    watched[static_cast<std::size_t>(file)] = false;
  }
  return next<int (*)(int)>("close")(file);
}

int rename(const char* from, const char* to) noexcept {
  if (is_watched(from)) count();
  return next<int (*)(const char*, const char*)>("rename")(from, to);
}

int renameat2(int from_folder, const char* from, int to_folder, const char* to,
              unsigned flags) noexcept {
  if (is_watched(from)) count();
  return next<int (*)(int, const char*, int, const char*, unsigned)>("renameat2")(
      from_folder, from, to_folder, to, flags);
}

int mkdir(const char* path, mode_t mode) noexcept {
  if (is_watched(path)) count();
  return next<int (*)(const char*, mode_t)>("mkdir")(path, mode);
}

}  // extern "C"
