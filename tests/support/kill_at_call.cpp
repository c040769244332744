// Preloaded into a run of several processes: looks at the calls that rank 0 makes on files whose
// path contains KILL_PATH, counted from 1 from the first folder on that it makes there. At the call
// number KILL_AT, before it, rank KILL_RANK is killed as by kill -9. With KILL_COPY, before each
// call the folder of that name is copied to KILL_COPY.states/NUMBER: what a kill at that call would
// leave.
#include <array>
#include <atomic>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr int kMostFiles = 4096;
std::array<std::atomic<bool>, kMostFiles> watched;
std::atomic<bool> saving = false;
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

// In a process that this library is not in.
void copy(const char* from, int call) {
  std::string program = "cp", how = "-a", source = from,
              target = source + ".states/" + std::to_string(call),
              none = "LD_PRELOAD=", path = std::string("PATH=") + std::getenv("PATH");
  char* const words[] = {program.data(), how.data(), source.data(), target.data(), nullptr};
  char* const environment[] = {none.data(), path.data(), nullptr};
  pid_t id = 0;
  int status = -1;
  const bool copied = posix_spawnp(&id, "cp", nullptr, nullptr, words, environment) == 0 &&
                      waitpid(id, &status, 0) == id && status == 0;
  if (!copied) std::abort();
}

void count() {
  static const int at = number("KILL_AT"), rank = number("KILL_RANK");
  static const char* const folder = std::getenv("KILL_COPY");
  if (!saving) return;
  const int call = ++calls;
  if (folder) copy(folder, call);
  if (call == at) kill(process_of(rank), SIGKILL);
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

int open_as(const char* name, const char* path, int flags, mode_t mode) {
  const bool ours = is_watched(path);
  if (ours) count();
  const int file = next<int (*)(const char*, int, ...)>(name)(path, flags, mode);
  if (file >= 0 && file < kMostFiles) watched[static_cast<std::size_t>(file)] = ours;
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
  if (is_watched(file)) count();
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

int ftruncate(int file, off_t size) noexcept {
  if (is_watched(file)) count();
  return next<int (*)(int, off_t)>("ftruncate")(file, size);
}

int ftruncate64(int file, off64_t size) noexcept {
  if (is_watched(file)) count();
  return next<int (*)(int, off64_t)>("ftruncate64")(file, size);
}

int unlink(const char* path) noexcept {
  if (is_watched(path)) count();
  return next<int (*)(const char*)>("unlink")(path);
}

int rmdir(const char* path) noexcept {
  if (is_watched(path)) count();
  return next<int (*)(const char*)>("rmdir")(path);
}

int mkdir(const char* path, mode_t mode) noexcept {
  if (is_watched(path)) {
    saving = true;
    count();
  }
  return next<int (*)(const char*, mode_t)>("mkdir")(path, mode);
}

}  // extern "C"
