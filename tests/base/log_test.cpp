#include "gpt/base/log.h"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <regex>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "gpt/base/files.h"

#include "support/environment.h"
#include "support/file_fault.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::Environment;
using testing::FileFaultGuard;
using testing::TempDir;

// stderr of a fresh process: the level is read once.
std::string logged(const std::optional<std::string>& level) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    const Environment environment("GPTTRAIN_LOG", level);
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
  EXPECT_EQ(logged(std::nullopt), info);
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

struct LogFileEnd {
  ~LogFileEnd() { end_log_file(); }
};

// The file's lines without their times, each of which must be one.
std::string without_times(const std::string& log) {
  static const std::regex time(
      R"((^|\n)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d (?=[a-z]))");
  const std::string text = std::regex_replace(log, time, "$1");
  const auto times = std::distance(std::sregex_iterator(log.begin(), log.end(), time), {});
  EXPECT_EQ(times, std::count(log.begin(), log.end(), '\n')) << log;
  return text;
}

TEST(LogFile, HasEveryLineWithTimeAndLevel) {
  const TempDir dir;
  const LogFileEnd end;
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  log_warning("before");
  begin_log_file();
  log_info("early {}");  // before there is a folder for it
  print_line("result %s\n");
  open_log_file(dir / "train.log");
  log_debug("d");  // which the console does not show
  log_warning("w\x1b[2J\nx");
  print_text("not a line of the run\n");
  log_error("e");
  EXPECT_EQ(without_times(read_file(dir / "train.log")),
            "info    early {}\ninfo    result %s\\u000a\ndebug   d\nwarning w\\u001b[2J x\n"
            "error   e\n");
  end_log_file();
  log_error("after");
  EXPECT_EQ(read_file(dir / "train.log").find("after"), std::string::npos);
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "result %s\\u000a\nnot a line of the run\n");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "warning: before\nearly {}\nwarning: w\\u001b[2J x\nerror: e\nerror: after\n");
}

TEST(LogFile, ContinuesInANewFileAndAfterWhatIsThere) {
  const TempDir dir;
  const LogFileEnd end;
  ::testing::internal::CaptureStderr();
  open_log_file(dir.write("a.log", "torn"));
  log_info("one");
  open_log_file(dir / "b.log");
  log_info("two");
  ::testing::internal::GetCapturedStderr();
  const std::string first = read_file(dir / "a.log");
  EXPECT_EQ(first.substr(0, 5), "torn\n");
  EXPECT_EQ(without_times(first.substr(5)), "info    one\n");
  EXPECT_EQ(without_times(read_file(dir / "b.log")), "info    two\n");
}

TEST(LogFile, IsNotWrittenThroughALink) {
  const TempDir dir;
  const LogFileEnd end;
  const fs::path victim = dir.write("victim", "precious");
  fs::create_symlink(victim, dir / "train.log");
  ::testing::internal::CaptureStderr();
  open_log_file(dir / "train.log");
  log_info("continues");
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("warning: " + (dir / "train.log").string() + ": is a symbolic link"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find("the run continues without its log\ncontinues\n"), std::string::npos) << said;
  EXPECT_EQ(read_file(victim), "precious");
}

// One warning, and every line is there once there is space again.
TEST(LogFile, AFullDiskIsOneWarning) {
  const TempDir dir;
  const LogFileEnd end;
  const std::string file = (dir / "train.log").string();
  ::testing::internal::CaptureStderr();
  open_log_file(file);
  log_info("a");
  {
    const FileFaultGuard full([](std::string_view call, const fs::path&, std::size_t*) {
      return call == "write" ? ENOSPC : 0;
    });
    log_info("b");
    log_info("c");
  }
  log_info("d");
  log_info("e");
  const std::string warning = file +
                              ": cannot write: No space left on device; the run continues, its "
                              "log is written later",
                    again = file + ": the log is written again; no line was lost";
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "a\nb\nwarning: " + warning + "\nc\nd\n" + again + "\ne\n");
  EXPECT_EQ(without_times(read_file(file)), "info    a\ninfo    b\nwarning " + warning +
                                                "\ninfo    c\ninfo    d\ninfo    " + again +
                                                "\ninfo    e\n");
}

}  // namespace
}  // namespace gpt
