#include "gpt/base/log.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unistd.h>
#include <utility>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "gpt/base/closed_output.h"
#include "gpt/base/drawing.h"
#include "gpt/base/error.h"
#include "gpt/base/line_file.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

namespace {

using spdlog::level::level_enum;

bool colour() {
  const char* off = std::getenv("NO_COLOR");
  return stderr_is_terminal() && !(off && *off);
}

level_enum level_from_environment() {
  const char* name = std::getenv("GPTTRAIN_LOG");
  const std::string text = name ? name : "info";
  if (text == "debug") return spdlog::level::debug;
  if (text == "warning") return spdlog::level::warn;
  if (text == "error") return spdlog::level::err;
  return spdlog::level::info;
}

// What a line on the console begins with: "warning: ", in the level's colour.
class ConsolePrefix final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    std::string prefix, ansi;
    if (message.level == spdlog::level::debug) prefix = "debug: ", ansi = "\033[2m";
    if (message.level == spdlog::level::warn) prefix = "warning: ", ansi = "\033[33m";
    if (message.level == spdlog::level::err) prefix = "error: ", ansi = "\033[31m";
    if (colour()) prefix = ansi + prefix + "\033[0m";
    out.append(prefix.data(), prefix.data() + prefix.size());
  }
  std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<ConsolePrefix>();
  }
};

std::shared_ptr<spdlog::sinks::sink> make_console() {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<ConsolePrefix>('*').set_pattern("%*%v");
  sink->set_formatter(std::move(formatter));
  sink->set_level(level_from_environment());
  return sink;
}

constexpr const char* kWrittenLater = "; the run continues, its log is written later";

// The log of a run. A sink must not throw: what happened to the file is news for the console.
class FileSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  FileSink() {
    set_level(spdlog::level::off);
    set_formatter(std::make_unique<spdlog::pattern_formatter>(
        "%Y-%m-%d %H:%M:%S.%e %z %-7l %v", spdlog::pattern_time_type::local, /*eol=*/""));
  }

  void open(const std::filesystem::path& path) {
    const std::scoped_lock lock(mutex_);
    try {
      lines_->open(path);
    } catch (const IoError& error) {
      news_ = {spdlog::level::warn,
               concat(error.what(),
                      lines_->failing() ? kWrittenLater : "; the run continues without its log")};
    }
  }

  void end() {
    const std::scoped_lock lock(mutex_);
    lines_.emplace();
  }

  struct News {
    level_enum level = spdlog::level::off;
    std::string text;  // "" if there is none
  };
  News take_news() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(news_, {});
  }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    const bool failing = lines_->failing();
    try {
      lines_->write({line.data(), line.size()});
    } catch (const IoError& error) {
      news_ = {spdlog::level::warn, concat(error.what(), kWrittenLater)};
      return;
    }
    if (!failing || lines_->failing()) return;
    const std::int64_t lost = lines_->take_lost();
    news_ = {spdlog::level::info,
             concat(lines_->path().string(), ": the log is written again; ",
                    lost > 0 ? concat(lost, " lines were lost") : "no line was lost")};
  }
  void flush_() override {}

 private:
  std::optional<LineFile> lines_{std::in_place};
  News news_;
};

// The loggers and what they write to.
struct Loggers {
  std::shared_ptr<spdlog::sinks::sink> console = make_console();
  std::shared_ptr<FileSink> file = std::make_shared<FileSink>();
  spdlog::logger diagnostics{"gpttrain", {console, file}};
  spdlog::logger results{"stdout", spdlog::sink_ptr(file)};  // what write_stdout has written
  // Of several processes.
  spdlog::logger shown{"console", console}, kept{"file", spdlog::sink_ptr(file)};

  Loggers() {
    diagnostics.set_level(console->level());
    shown.set_level(console->level());
    kept.set_level(spdlog::level::debug);
  }
};

Loggers& loggers() {
  static Loggers instance;
  return instance;
}

// This process, where it is one of several.
struct Voice {
  std::string name;
  std::function<bool(const std::string&)> says_first;
};
std::optional<Voice>& voice() {
  static std::optional<Voice> instance;
  return instance;
}
bool is_silent() {
  return voice() && !voice()->name.empty();
}

void log_as(level_enum level, const std::string& text);

void say_news() {
  const FileSink::News news = loggers().file->take_news();
  if (!news.text.empty()) log_as(news.level, news.text);
}

// A line of one of several processes.
void log_with_voice(level_enum level, const std::string& line) {
  loggers().kept.log(level, spdlog::string_view_t(line));
  const bool silent = is_silent();
  if (silent && level < spdlog::level::warn) return;
  if (level >= spdlog::level::warn && !voice()->says_first(line)) return;
  const std::string shown = silent ? concat("[", voice()->name, "] ", line) : line;
  loggers().shown.log(level, spdlog::string_view_t(shown));
}

void log_as(level_enum level, const std::string& text) {
  if (!loggers().diagnostics.should_log(level)) return;
  if (loggers().console->should_log(level)) erase_progress_line();
  std::string line = text;  // a message is one line, whoever wrote it
  std::replace(line.begin(), line.end(), '\n', ' ');
  line = terminal_safe(line);
  if (voice())
    log_with_voice(level, line);
  else
    loggers().diagnostics.log(level, spdlog::string_view_t(line));
  say_news();
}

std::atomic<bool> output_lost = false, closed_said = false, ends_when_closed = false;

void write_stdout(const std::string& text) {
  if (is_silent()) return;
  erase_progress_line();
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (std::fflush(stdout) == 0 && written) return;
  const int error = errno;
  std::clearerr(stdout);
  if (error == EPIPE && ends_when_closed) throw ClosedOutput();
  // A reader that is gone is no fault of the output.
  if (!(error == EPIPE ? closed_said : output_lost).exchange(true))
    log_warning(std::string("standard output: cannot write: ") + std::strerror(error) +
                "; what goes there is lost");
}

}  // namespace

void log_debug(const std::string& text) {
  log_as(spdlog::level::debug, text);
}
void log_info(const std::string& text) {
  log_as(spdlog::level::info, text);
}
void log_warning(const std::string& text) {
  log_as(spdlog::level::warn, text);
}
void log_error(const std::string& text) {
  log_as(spdlog::level::err, text);
}

void print_line(const std::string& text) {
  const std::string line = terminal_safe_line(text);
  write_stdout(line + "\n");
  loggers().results.log(spdlog::level::info, spdlog::string_view_t(line));
  say_news();
}
void print_text(const std::string& text) {
  write_stdout(terminal_safe(text));
}
void print_exactly(const std::string& text) {
  write_stdout(isatty(STDOUT_FILENO) ? terminal_safe(text) : text);
}
void print_drawing(const std::string& text) {
  write_stdout(text);
}
void end_when_output_closes() {
  ends_when_closed = true;
}
bool stdout_failed() {
  return output_lost;
}

void speak_as(const std::string& name, std::function<bool(const std::string& text)> says_first) {
  voice() = {name, std::move(says_first)};
  if (is_silent()) hide_progress();
}

void begin_log_file() {
  loggers().file->set_level(spdlog::level::debug);
  loggers().diagnostics.set_level(spdlog::level::debug);
}

void open_log_file(const std::filesystem::path& path) {
  begin_log_file();
  loggers().file->open(path);
  say_news();
}

void end_log_file() {
  loggers().file->set_level(spdlog::level::off);
  loggers().diagnostics.set_level(loggers().console->level());
  loggers().file->end();
}

}  // namespace gpt
