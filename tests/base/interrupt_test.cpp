#include "gpt/base/interrupt.h"

#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace gpt {
namespace {

using Got = InteractiveLines::Got;

class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe(ends_), 0); }
  ~Pipe() {
    close(ends_[0]);
    end();
  }
  int reader() const { return ends_[0]; }
  void write(const std::string& text) {
    EXPECT_EQ(::write(ends_[1], text.data(), text.size()), std::ssize(text));
  }
  void end() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST(InteractiveLines, GiveLinesAsTheyCome) {
  Pipe pipe;
  pipe.write("one\r\n\ntwo\nthr");
  InteractiveLines lines(pipe.reader());
  std::string line;
  std::vector<std::string> found;
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(lines.next(line), Got::kLine);
    found.push_back(line);
  }
  pipe.write("ee");
  pipe.end();
  ASSERT_EQ(lines.next(line), Got::kLine);
  found.push_back(line);
  EXPECT_EQ(found, (std::vector<std::string>{"one", "", "two", "three"}));
  EXPECT_EQ(lines.next(line), Got::kEnd);
  EXPECT_EQ(lines.next(line), Got::kEnd);
}

TEST(InteractiveLines, AnInterruptEndsTheWaitAndNotTheProgram) {
  Pipe pipe;
  InteractiveLines lines(pipe.reader());
  Interrupts interrupts;
  EXPECT_FALSE(interrupts.take());
  const pthread_t self = pthread_self();
  std::thread later([self] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    pthread_kill(self, SIGINT);
  });
  std::string line;
  EXPECT_EQ(lines.next(line), Got::kInterrupt);
  later.join();
  EXPECT_TRUE(interrupts.pending());
  EXPECT_TRUE(interrupts.take());
  EXPECT_FALSE(interrupts.pending());
  pipe.write("a\n");
  EXPECT_EQ(lines.next(line), Got::kLine);
}

TEST(Interrupts, WhatWasBeforeComesBack) {
  struct sigaction before = {}, after = {};
  sigaction(SIGINT, nullptr, &before);
  { const Interrupts interrupts; }
  sigaction(SIGINT, nullptr, &after);
  EXPECT_EQ(before.sa_handler, after.sa_handler);
}

}  // namespace
}  // namespace gpt
