#include "gpt/base/thread.h"

#include <condition_variable>
#include <mutex>
#include <pthread.h>
#include <sys/mman.h>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

constexpr const char* kWhatLimits =
    "; threads are limited by `ulimit -u` and a container's pids limit, and each takes address "
    "space (`ulimit -v`) for its stack (`ulimit -s`): raise the limit, or lower --threads";

}  // namespace

void throw_no_thread(const std::string& purpose, const std::system_error& error) {
  throw Error(
      concat("cannot start a thread for ", purpose, ": ", error.code().message(), kWhatLimits));
}

namespace {

// OpenMP ends some threads and starts others whenever it needs another number of them, and the
// stacks of those that end are there for a while yet.
bool has_space_for_stacks(int count) {
  pthread_attr_t attributes;
  std::size_t stack = 0;
  if (count < 1 || pthread_getattr_default_np(&attributes) != 0) return true;
  pthread_attr_getstacksize(&attributes, &stack);
  pthread_attr_destroy(&attributes);
  const std::size_t bytes = static_cast<std::size_t>(count) * stack;
  void* region =
      mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) return false;
  munmap(region, bytes);
  return true;
}

}  // namespace

void expect_threads(int count, const std::string& purpose) {
  std::mutex mutex;
  std::condition_variable changed;
  bool over = false;
  std::vector<std::jthread> threads;
  const auto end_all = [&] {
    {
      const std::scoped_lock lock(mutex);
      over = true;
    }
    changed.notify_all();
    threads.clear();
  };
  try {
    while (std::ssize(threads) < count)
      threads.emplace_back([&] {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return over; });
      });
  } catch (const std::system_error& error) {
    const auto started = threads.size();
    end_all();
    throw Error(concat("cannot start ", count, " more thread(s) for ", purpose, ", only ", started,
                       ": ", error.code().message(), kWhatLimits));
  }
  const bool enough = has_space_for_stacks(count);
  end_all();
  if (!enough)
    throw Error(concat("too little address space to end and start ", count, " thread(s) for ",
                       purpose, kWhatLimits));
}

}  // namespace gpt
