#include "gpt/base/terminal.h"

#include <algorithm>
#include <cstdlib>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "gpt/base/log.h"

#include "support/environment.h"

namespace gpt {
namespace {

TEST(TerminalSafe, TextPassesUnchanged) {
  for (const std::string text :
       {"", "plain", "tab\tand\nline", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"})
    EXPECT_EQ(terminal_safe(text), text);
}

TEST(TerminalSafe, ControlsBecomeVisible) {
  EXPECT_EQ(terminal_safe("\x1b[2J"), "\\u001b[2J");
  EXPECT_EQ(terminal_safe("a\rb\x7f\x07"), "a\\u000db\\u007f\\u0007");
  EXPECT_EQ(terminal_safe(std::string("\0", 1)), "\\u0000");
  EXPECT_EQ(terminal_safe("\xc2\x9b"
                          "31m"),
            "\\u009b31m");  // C1's CSI
  EXPECT_EQ(terminal_safe("\xc2\xa0"), "\xc2\xa0");
  EXPECT_EQ(terminal_safe_line("a\tb\nc"), "a\tb\\u000ac");
}

// A name can look like another one where text is turned around.
TEST(TerminalSafe, OverridesOfDirectionBecomeVisible) {
  EXPECT_EQ(terminal_safe("\u202Acod\u202E.\u2066\u2069"), "\\u202acod\\u202e.\\u2066\\u2069");
  for (const std::string text : {"\u2029", "\u202F", "\u2065", "\u206A", "\u05D0\u0627"})
    EXPECT_EQ(terminal_safe(text), text);
}

TEST(TerminalSafe, BrokenUtf8BecomesVisible) {
  for (const char* text :
       {"\x80", "\xff", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe0\x80\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80"}) {
    const std::string safe = terminal_safe(text);
    EXPECT_EQ(safe.find("\\x"), 0u);
    EXPECT_TRUE(is_utf8(safe));
    EXPECT_FALSE(is_utf8(text));
  }
  EXPECT_EQ(terminal_safe("a\xe2\x82z"), "a\\xe2\\x82z");
  EXPECT_TRUE(is_utf8("\xc3\xa9\x1b"));
}

TEST(QuotedName, IsOneShortLineOfWholeCharacters) {
  EXPECT_EQ(quoted_name("a\nb\x1b"), "'a b\\u001b'");
  const std::string euro = "\u20AC";
  EXPECT_EQ(quoted_name(std::string(98, 'x') + euro), "'" + std::string(98, 'x') + "...'");
  EXPECT_EQ(quoted_name(std::string(97, 'x') + euro), "'" + std::string(97, 'x') + euro + "'");
}

TEST(ProgressLine, ShowsShareAndTimeLeft) {
  const ProgressLine line("train", 200);
  EXPECT_EQ(line.render(50, 10, "loss 1.5", 200),
            "train [#####...............]  25.0%  30s left  loss 1.5");
  EXPECT_EQ(line.render(0, 0, "", 200), "train [....................]   0.0%");
  EXPECT_EQ(line.render(200, 60, "", 200), "train [####################] 100.0%  0s left");
  EXPECT_EQ(line.render(300, 60, "", 200), "train [####################] 100.0%  0s left");
}

// 900 of 1000 were done before: 10 more in 10 s leaves 90 s, not 1 s.
TEST(ProgressLine, AResumedRunCountsFromItsStart) {
  ProgressLine line("train", 1000);
  line.update(900);
  EXPECT_EQ(line.render(910, 10, "", 200), "train [##################..]  91.0%  1m30s left");
}

TEST(ProgressLine, WithoutATotalThereIsNoBar) {
  const ProgressLine line("count", 0);
  EXPECT_EQ(line.render(5, 65, "note", 200), "count 1m05s  note");
}

TEST(ProgressLine, TheBarGivesWayToTheFigures) {
  const ProgressLine line("train", 200);
  const std::string figures = "]  25.0%  30s left  loss 1.5";
  EXPECT_EQ(line.render(50, 10, "loss 1.5", 46), "train [##........" + figures);
  EXPECT_EQ(line.render(50, 10, "loss 1.5", 41), "train [#...." + figures);
  EXPECT_EQ(line.render(50, 10, "loss 1.5", 38), "train [#....]  25.0%  30s left  loss ");
}

TEST(ProgressLine, IsCutToTheWidth) {
  const ProgressLine line("t\xc3\xa9t\x1b", 0);
  for (std::size_t width = 0; width < 30; ++width) {
    const std::string text = line.render(5, 65, "\xe2\x82\xac\xe2\x82\xac", width);
    EXPECT_LT(text.size(), std::max<std::size_t>(width, 1));
    EXPECT_TRUE(is_utf8(text)) << width;
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
  }
}

// What `work` writes to a terminal, or to a pipe, on its stderr or stdout.
template <class Work>
std::string shown(bool terminal, const char* term, const Work& work, int stream = STDERR_FILENO) {
  int ends[2];  // ours, the child's
  if (terminal ? openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr) : pipe(ends)) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    const testing::Environment kind("TERM", term), plain("NO_COLOR", "1");
    dup2(ends[1], stream);
    work();
    _exit(0);
  }
  close(ends[1]);
  waitpid(child, nullptr, 0);  // what is written here is less than either buffer
  std::string text;
  char chunk[4096];
  for (ssize_t got; (got = read(ends[0], chunk, sizeof chunk)) > 0;)
    text.append(chunk, static_cast<std::size_t>(got));
  close(ends[0]);
  return text;
}

void show_progress_and_log() {
  ProgressLine line("work", 0);
  line.update(1, "first");
  log_error("trouble");
}

TEST(ProgressLine, ALogLineLiftsIt) {
  EXPECT_EQ(shown(true, "xterm", show_progress_and_log),
            "\rwork 0s  first\033[K\r\033[Kerror: trouble\r\n");
}

TEST(ProgressLine, IsRemovedAtTheEnd) {
  EXPECT_EQ(shown(true, "xterm",
                  [] {
                    ProgressLine line("work", 0);
                    line.update(1, "");
                  }),
            "\rwork 0s\033[K\r\033[K");
}

TEST(ProgressLine, NoTerminalNoLine) {
  EXPECT_EQ(shown(false, "xterm", show_progress_and_log), "error: trouble\n");
  EXPECT_EQ(shown(true, "dumb", show_progress_and_log), "error: trouble\r\n");
  EXPECT_EQ(shown(true, "", show_progress_and_log), "error: trouble\r\n");
}

// A dumb terminal too may obey what it is sent.
TEST(PrintExactly, ATerminalGetsNoControls) {
  const auto print = [] { print_exactly("a\x1b[2J\n\tb"); };
  for (const char* term : {"xterm", "dumb", ""})
    EXPECT_EQ(shown(true, term, print, STDOUT_FILENO), "a\\u001b[2J\r\n\tb");
  EXPECT_EQ(shown(false, "xterm", print, STDOUT_FILENO), "a\x1b[2J\n\tb");
}

TEST(ProgressLine, IsDrawnAtMostTenTimesASecond) {
  const std::string text = shown(true, "xterm", [] {
    ProgressLine line("w", 0);
    for (int i = 0; i < 1000; ++i) line.update(i);
  });
  // A thousand updates take a moment; even a very slow machine draws few of them.
  EXPECT_LT(std::count(text.begin(), text.end(), 'w'), 100);
  EXPECT_NE(text.find("\rw "), std::string::npos);
}

}  // namespace
}  // namespace gpt
