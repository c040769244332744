#include "gpt/base/process_facts.h"

#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace gpt {
namespace {

// A child that has this name, until it is told to end.
class Named {
 public:
  explicit Named(const char* name) {
    int ends[2];
    if (pipe(ends) != 0) return;
    id_ = fork();
    if (id_ == 0) {
      prctl(PR_SET_NAME, name);
      if (write(ends[1], "x", 1) != 1) _exit(1);
      while (true) pause();
    }
    char byte = 0;
    EXPECT_EQ(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
  }
  ~Named() { waitpid(id_, nullptr, 0); }
  int id() const { return id_; }

 private:
  pid_t id_ = -1;
};

TEST(ProcessFacts, NamesMayHoldAnything) {
  const char* name = "a) R (9\n 1 2 3";
  const Named child(name);
  const auto facts = process_facts(child.id());
  kill(child.id(), SIGKILL);
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->name, name);
  EXPECT_EQ(facts->parent, getpid());
  EXPECT_FALSE(facts->ended);
  EXPECT_GE(facts->start, process_facts(getpid())->start);
  EXPECT_GT(facts->start, 0u);
}

TEST(ProcessFacts, WhoHasEndedIsDeadAndThenGone) {
  int id = 0;
  {
    const Named child("child");
    id = child.id();
    const auto before = process_facts(id);
    kill(id, SIGKILL);
    siginfo_t state{};
    waitid(P_PID, static_cast<id_t>(id), &state, WEXITED | WNOWAIT);
    const auto after = process_facts(id);
    ASSERT_TRUE(before && after);
    EXPECT_TRUE(after->ended);
    EXPECT_EQ(after->start, before->start);
  }
  EXPECT_FALSE(process_facts(id));
}

}  // namespace
}  // namespace gpt
