#include "gpt/base/log.h"

#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace gpt {
namespace {

// stderr of a fresh process: the level is read once.
std::string logged(const char* level) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    level ? setenv("GPTTRAIN_LOG", level, 1) : unsetenv("GPTTRAIN_LOG");
    dup2(ends[1], STDERR_FILENO);
    log_debug("d {}");
    log_info("i {0}");
    log_warning("w %s");
    log_error("e");
    _exit(0);
  }
  close(ends[1]);
  waitpid(child, nullptr, 0);
  char text[1024];
  const ssize_t got = read(ends[0], text, sizeof text);
  close(ends[0]);
  return {text, static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}

// In pipes: no colour, and the text is no format string.
TEST(Log, LevelsComeFromTheEnvironment) {
  const std::string error = "error: e\n", warning = "warning: w %s\n" + error,
                    info = "i {0}\n" + warning, debug = "debug: d {}\n" + info;
  EXPECT_EQ(logged(nullptr), info);
  EXPECT_EQ(logged("info"), info);
  EXPECT_EQ(logged("debug"), debug);
  EXPECT_EQ(logged("warning"), warning);
  EXPECT_EQ(logged("error"), error);
  EXPECT_EQ(logged("nonsense"), info);
}

TEST(Log, ResultsGoToStdout) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  print_text("a");
  print_line("b%s");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "ab%s\n");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace gpt
