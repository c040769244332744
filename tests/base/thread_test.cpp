#include "gpt/base/thread.h"

#include <atomic>
#include <fstream>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "support/error_text.h"

namespace gpt {
namespace {

using testing::error_text;

// What `run` says in a child of its own, whose limits die with it.
std::string said_without_room(void (*run)(int report)) {
  int ends[2];
  if (pipe(ends) != 0) return "no pipe";
  const pid_t child = fork();
  if (child == 0) {
    run(ends[1]);
    _exit(0);
  }
  close(ends[1]);
  std::string said;
  char text[512];
  for (ssize_t got; (got = read(ends[0], text, sizeof text)) > 0;)
    said.append(text, static_cast<std::size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? said : said + " and was killed";
}

// Space for two stacks of 1 GiB (a size that none has that glibc kept from earlier threads).
void forbid_more_than_two_stacks() {
  constexpr rlim_t kStack = rlim_t{1} << 30;
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t most = pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE)) + 2 * kStack + kStack / 2;
  const rlimit limit{most, most};
  setrlimit(RLIMIT_AS, &limit);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  pthread_setattr_default_np(&attributes);
  pthread_attr_destroy(&attributes);
}

TEST(Thread, StartsAndRuns) {
  std::atomic<int> calls{0};
  {
    const auto thread = start_thread<std::jthread>("a test", [&] { ++calls; });
  }
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(error_text([] { expect_threads(8, "a test"); }), "");
  EXPECT_EQ(error_text([] { expect_threads(0, "a test"); }), "");
}

TEST(Thread, OneThatDoesNotStartIsAnErrorThatSaysWhatToDo) {
  const std::string said = said_without_room([](int report) {
    forbid_more_than_two_stacks();
    const std::string error = error_text([] {
      std::vector<std::jthread> threads;
      for (int i = 0; i < 3; ++i)
        threads.push_back(start_thread<std::jthread>("reading batches", [] { sleep(1); }));
    });
    if (write(report, error.data(), error.size()) < 0) _exit(1);
  });
  EXPECT_EQ(
      said.find("cannot start a thread for reading batches: Resource temporarily unavailable; "
                "threads are limited by `ulimit -u`"),
      0u)
      << said;
}

TEST(Thread, TooManySayHowManyThereMayBe) {
  const std::string said = said_without_room([](int report) {
    forbid_more_than_two_stacks();
    const std::string error = error_text([] { expect_threads(3, "computing"); });
    if (write(report, error.data(), error.size()) < 0) _exit(1);
  });
  EXPECT_EQ(said.find("cannot start 3 more thread(s) for computing, only 2: "), 0u) << said;
}

}  // namespace
}  // namespace gpt
