#include "gpt/base/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <malloc.h>
#include <new>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gpt/base/strings.h"

namespace gpt {

namespace {

constexpr rlim_t kKibi = 1024, kMebi = 1024 * kKibi;
constexpr rlim_t kUsualStack = 8 * kMebi;  // what systems give by default
// A step of a tiny model crashes below 96 KiB; oneDNN and readers of nested files want more.
constexpr rlim_t kLeastStack = 512 * kKibi;
constexpr rlim_t kLeastAddresses = 64 * kMebi;  // for what LibTorch's initialisers allocate

using Line = std::array<char, 512>;

[[noreturn]] void end_with(const Line& line) {
  if (write(STDERR_FILENO, line.data(), std::strlen(line.data())) < 0) _exit(1);
  _exit(1);
}

// Bytes of addresses that the process has now: the first number of statm, in pages.
rlim_t addresses_now() {
  char text[64] = {};
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  const ssize_t length = read(file, text, sizeof text - 1);
  close(file);
  if (length <= 0) return 0;
  return std::strtoull(text, nullptr, 10) * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

void require_stack() {
  rlimit stack{};
  if (getrlimit(RLIMIT_STACK, &stack) != 0 || stack.rlim_cur >= kUsualStack) return;
  const rlim_t before = stack.rlim_cur;
  stack.rlim_cur = std::min(stack.rlim_max, kUsualStack);
  // The main thread's stack grows to what the limit is at the moment; that of the others was
  // decided when the process started.
  if (stack.rlim_cur > before && setrlimit(RLIMIT_STACK, &stack) == 0) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack.rlim_cur);
    pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
  }
  if (stack.rlim_cur >= kLeastStack) return;
  Line line{};
  std::snprintf(line.data(), line.size(),
                "error: the stack is limited to %llu KiB (`ulimit -s`), and gpttrain's libraries "
                "need %llu KiB; start it after `ulimit -s %llu`, or with a higher hard limit\n",
                static_cast<unsigned long long>(before / kKibi),
                static_cast<unsigned long long>(kLeastStack / kKibi),
                static_cast<unsigned long long>(kUsualStack / kKibi));
  end_with(line);
}

void require_addresses() {
  rlimit addresses{};
  if (getrlimit(RLIMIT_AS, &addresses) != 0 || addresses.rlim_cur == RLIM_INFINITY) return;
  // Else a thread's first allocation reserves 64 MiB of addresses for a heap of its own.
  mallopt(M_ARENA_MAX, 1);
  const rlim_t taken = addresses_now();
  if (addresses.rlim_cur >= taken + kLeastAddresses) return;
  Line line{};
  std::snprintf(line.data(), line.size(),
                "error: the address space is limited to %llu MiB (`ulimit -v`), of which "
                "gpttrain's libraries take %llu MiB, and it needs %llu MiB next to them; start it "
                "after `ulimit -v unlimited`, and cap its memory with --memory_limit instead\n",
                static_cast<unsigned long long>(addresses.rlim_cur / kMebi),
                static_cast<unsigned long long>(taken / kMebi),
                static_cast<unsigned long long>(kLeastAddresses / kMebi));
  end_with(line);
}

// Neither allocates nor logs: memory may be what is missing.
[[noreturn]] void say_and_end() {
  Line line{};
  const char* what = "an unknown exception";
  char copy[256] = {};
  try {
    if (std::current_exception()) throw;
  } catch (const std::bad_alloc&) {
    what = "out of memory; `gpttrain plan` shows what fits, and `ulimit -v` must leave enough";
  } catch (const std::exception& error) {
    std::snprintf(copy, sizeof copy, "%s", error.what());
    std::replace(std::begin(copy), std::end(copy), '\n', ' ');
    what = copy;
  } catch (...) {
  }
  std::snprintf(line.data(), line.size(), "error: the program cannot continue: %s\n", what);
  end_with(line);
}

}  // namespace

void begin_process() {
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is given: this one.
    const int mode = descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY;
    if (open("/dev/null", mode) < 0) open("/", O_RDONLY | O_DIRECTORY);
  }
  signal(SIGXFSZ, SIG_IGN);
}

void ignore_broken_pipes() {
  signal(SIGPIPE, SIG_IGN);
}

std::string address_space_note() {
  rlimit addresses{};
  if (getrlimit(RLIMIT_AS, &addresses) != 0 || addresses.rlim_cur == RLIM_INFINITY) return "";
  return format(
      "; the address space is limited to %llu MiB (`ulimit -v`): raise it, and cap memory with "
      "--memory_limit instead",
      static_cast<unsigned long long>(addresses.rlim_cur / kMebi));
}

void require_process_limits() {
  std::set_terminate(say_and_end);
  require_stack();
  require_addresses();
}

}  // namespace gpt
