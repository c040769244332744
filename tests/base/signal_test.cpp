#include "gpt/base/signal.h"

#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace gpt {
namespace {

TEST(StopSignals, NothingIsRequestedAtFirst) {
  const StopSignals signals;
  EXPECT_FALSE(signals.requested());
  EXPECT_STREQ(signals.name(), "");
}

TEST(StopSignals, EachIsNoticedAndNamed) {
  const std::pair<int, const char*> all[] = {{SIGINT, "SIGINT"},   {SIGTERM, "SIGTERM"},
                                             {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"},
                                             {SIGHUP, "SIGHUP"},   {SIGXCPU, "SIGXCPU"}};
  struct sigaction usual = {}, before = {};
  usual.sa_handler = SIG_DFL;
  sigaction(SIGHUP, &usual, &before);  // the tests may have been started with nohup
  for (const auto& [number, name] : all) {
    const StopSignals signals;  // starts afresh each time
    EXPECT_FALSE(signals.requested());
    raise(number);
    EXPECT_TRUE(signals.requested());
    EXPECT_STREQ(signals.name(), name);
  }
  sigaction(SIGHUP, &before, nullptr);
}

TEST(StopSignals, NohupKeepsAHangupIgnored) {
  struct sigaction ignored = {}, before = {};
  ignored.sa_handler = SIG_IGN;
  sigaction(SIGHUP, &ignored, &before);
  {
    const StopSignals signals;
    raise(SIGHUP);
    EXPECT_FALSE(signals.requested());
  }
  sigaction(SIGHUP, &before, nullptr);
}

TEST(StopSignals, TheFirstGivesTheName) {
  const StopSignals signals;
  raise(SIGUSR1);
  raise(SIGTERM);
  EXPECT_STREQ(signals.name(), "SIGUSR1");
}

TEST(StopSignals, HandlersAreGivenBack) {
  struct sigaction ours = {}, now = {};
  ours.sa_handler = SIG_IGN;
  struct sigaction before = {};
  sigaction(SIGTERM, &ours, &before);
  {
    const StopSignals signals;
    sigaction(SIGTERM, nullptr, &now);
    EXPECT_NE(now.sa_handler, SIG_IGN);
  }
  sigaction(SIGTERM, &before, &now);
  EXPECT_EQ(now.sa_handler, SIG_IGN);
}

TEST(StopSignals, WhatWasHeldBeforeCounts) {
  hold_stop_signals();
  raise(SIGTERM);
  {
    const StopSignals signals;
    EXPECT_TRUE(signals.requested());
    EXPECT_STREQ(signals.name(), "SIGTERM");
  }
  sigset_t blocked;
  sigprocmask(SIG_BLOCK, nullptr, &blocked);
  EXPECT_FALSE(sigismember(&blocked, SIGTERM));
}

TEST(StopSignals, ASecondInterruptKills) {
  const pid_t child = fork();
  if (child == 0) {
    const StopSignals signals;
    raise(SIGINT);
    if (!signals.requested()) _exit(1);
    raise(SIGINT);
    _exit(2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) << status;
}

}  // namespace
}  // namespace gpt
