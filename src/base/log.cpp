#include "gpt/base/log.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <unistd.h>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "gpt/base/terminal.h"

namespace gpt {

namespace {

bool colour() {
  const char* off = std::getenv("NO_COLOR");
  return stderr_is_terminal() && !(off && *off);
}

spdlog::level::level_enum level_from_environment() {
  const char* name = std::getenv("GPTTRAIN_LOG");
  const std::string text = name ? name : "info";
  if (text == "debug") return spdlog::level::debug;
  if (text == "warning") return spdlog::level::warn;
  if (text == "error") return spdlog::level::err;
  return spdlog::level::info;
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("gpttrain",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_level(level_from_environment());
    made->set_pattern("%v");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *instance;
}

void log_as(spdlog::level::level_enum level, const char* prefix, const char* ansi,
            const std::string& text) {
  if (!logger().should_log(level)) return;
  erase_progress_line();
  std::string line = text;  // a message is one line, whoever wrote it
  std::replace(line.begin(), line.end(), '\n', ' ');
  line = terminal_safe(line);
  if (colour())
    logger().log(level, "{}{}\033[0m{}", ansi, prefix, line);
  else
    logger().log(level, "{}{}", prefix, line);
}

std::atomic<bool> output_lost = false;

void write_stdout(const std::string& text) {
  erase_progress_line();
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (std::fflush(stdout) == 0 && written) return;
  const int error = errno;
  std::clearerr(stdout);
  if (!output_lost.exchange(true))
    log_warning(std::string("standard output: cannot write: ") + std::strerror(error) +
                "; what goes there is lost");
}

}  // namespace

void log_debug(const std::string& text) {
  log_as(spdlog::level::debug, "debug: ", "\033[2m", text);
}
void log_info(const std::string& text) {
  log_as(spdlog::level::info, "", "", text);
}
void log_warning(const std::string& text) {
  log_as(spdlog::level::warn, "warning: ", "\033[33m", text);
}
void log_error(const std::string& text) {
  log_as(spdlog::level::err, "error: ", "\033[31m", text);
}

void print_line(const std::string& text) {
  write_stdout(terminal_safe_line(text) + "\n");
}
void print_text(const std::string& text) {
  write_stdout(terminal_safe(text));
}
void print_exactly(const std::string& text) {
  write_stdout(isatty(STDOUT_FILENO) ? terminal_safe(text) : text);
}
bool stdout_failed() {
  return output_lost;
}

}  // namespace gpt
