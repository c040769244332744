#include "gpt/base/log.h"

#include <cstdlib>
#include <fcntl.h>
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

// What a file or a name says cannot steer the terminal.
TEST(Log, NothingThatIsPrintedHoldsControls) {
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  print_line("a\x1b[2J\n\xff");
  print_text("b\x1b]0;t\x07\n\tc");
  log_error("e\x1b[2J\u202E\nf");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(),
            "a\\u001b[2J\\u000a\\xff\nb\\u001b]0;t\\u0007\n\tc");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "error: e\\u001b[2J\\u202e f\n");
}

TEST(Log, AModelsTextGoesIntoAFileAsItIs) {
  ::testing::internal::CaptureStdout();
  print_exactly("a\x1b[2J\xff");
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "a\x1b[2J\xff");
}

// It happens, is said once, and is no reason to end.
TEST(Log, OutputThatCannotBeWrittenIsSaidOnce) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();
  if (child == 0) {
    dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO);
    dup2(ends[1], STDERR_FILENO);
    for (int i = 0; i < 3; ++i) print_line("a");
    _exit(stdout_failed() ? 0 : 1);
  }
  close(ends[1]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  char text[1024];
  const ssize_t got = read(ends[0], text, sizeof text);
  close(ends[0]);
  EXPECT_EQ(std::string(text, static_cast<std::size_t>(std::max<ssize_t>(got, 0))),
            "warning: standard output: cannot write: No space left on device; what goes there is "
            "lost\n");
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
