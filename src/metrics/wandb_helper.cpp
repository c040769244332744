#include "wandb_helper.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/json.h"
#include "gpt/base/log.h"
#include "gpt/base/programs.h"
#include "gpt/base/strings.h"

#include "wandb_helper.inc"

namespace gpt {

namespace {

constexpr std::size_t kMostWaiting = std::size_t{4} << 20;
// Text that is no UTF-8 is no JSON.
constexpr auto kReplaced = nlohmann::json::error_handler_t::replace;
constexpr std::chrono::seconds kFlushing{10}, kFinishing{20};

// A child in a process group of its own, since Ctrl-C at the terminal is for us; -1 if it cannot be
// started. Its streams are `input`, and `output` for both others.
pid_t start(const fs::path& program, const std::vector<std::string>& arguments, int input,
            int output) {
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigaddset(&signals, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  pid_t process = -1;
  if (posix_spawn(&process, program.c_str(), &files, &attributes, argv.data(), environ) != 0)
    process = -1;
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return process;
}

bool ends_within(pid_t process, std::chrono::seconds patience, int* status) {
  const auto until = std::chrono::steady_clock::now() + patience;
  do {
    if (waitpid(process, status, WNOHANG) == process) return true;
    usleep(20000);
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

}  // namespace

std::optional<fs::path> WandbHelper::find_python() {
  const auto python = find_program("python3");
  if (!python) return std::nullopt;
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  const pid_t process = start(*python,
                              {"-c",
                               "import sys; sys.path[:] = [p for p in sys.path if p]\n"
                               "import importlib.util as u\n"
                               "s = u.find_spec('wandb'); sys.exit(not (s and s.origin))"},
                              nothing, nothing);
  close(nothing);
  int status = 1;
  if (process < 0) return std::nullopt;
  if (!ends_within(process, std::chrono::seconds(20), &status)) {
    kill(process, SIGKILL);
    waitpid(process, &status, 0);
    return std::nullopt;
  }
  return status == 0 ? python : std::nullopt;
}

WandbHelper::WandbHelper(const fs::path& python, const fs::path& folder, const fs::path& log,
                         const std::string& id, const WandbRun& run)
    : log_(log) {
  const int output =
      open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (output < 0) throw IoError(log.string(), "open", errno);
  int ends[2];
  // No pipe: writing to one that nobody reads any more would be a signal.
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    close(output);
    throw IoError(python.string(), "make a socket to", errno);
  }
  process_ = start(python, {"-c", std::string(kWandb_helper_py)}, ends[0], output);
  close(ends[0]);
  close(output);
  socket_ = ends[1];
  fcntl(socket_, F_SETFL, fcntl(socket_, F_GETFL) | O_NONBLOCK);
  if (process_ < 0) throw IoError(python.string(), "start", EAGAIN);
  nlohmann::json about{
      {"project", run.project}, {"name", run.name}, {"id", id}, {"dir", folder.string()}};
  about["config"] = try_parse_json(run.config);
  if (!about["config"].is_object()) about["config"] = nlohmann::json::object();
  send(about.dump(-1, ' ', true, kReplaced));
}

WandbHelper::~WandbHelper() {
  if (socket_ >= 0) close(socket_);
}

void WandbHelper::log(std::int64_t step, double, const Values& values, const std::string& samples) {
  std::string line = concat(R"({"step":)", step, R"(,"values":{)");
  const char* comma = "";
  for (const auto& [key, value] : values) {
    line += concat(std::exchange(comma, ","), "\"", key, "\":", std::isnan(value) ? "NaN" : "");
    if (std::isinf(value)) line += value > 0 ? "Infinity" : "-Infinity";
    if (std::isfinite(value)) line += nlohmann::json(value).dump();
  }
  line += '}';
  if (!samples.empty())
    line += concat(R"(,"samples":)", nlohmann::json(samples).dump(-1, ' ', true, kReplaced));
  send(line + '}');
}

void WandbHelper::send(const std::string& line) {
  if (waiting_.size() + line.size() > kMostWaiting) {
    if (lost_++ == 0)
      log_warning("W&B: its helper falls behind, and steps are left out there; see " +
                  log_.string());
  } else {
    waiting_ += line + "\n";
  }
  flush();
}

void WandbHelper::flush() {
  while (!waiting_.empty()) {
    const ssize_t written = ::send(socket_, waiting_.data(), waiting_.size(), MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0)
      throw IoError("W&B's helper (it says why in " + log_.string() + ")", "write to", errno);
    waiting_.erase(0, static_cast<std::size_t>(written));
  }
}

void WandbHelper::finish(int exit_code) {
  send(concat(R"({"exit_code":)", exit_code, "}"));
  const auto until = std::chrono::steady_clock::now() + kFlushing;
  while (!waiting_.empty() && std::chrono::steady_clock::now() < until) {
    pollfd ready{socket_, POLLOUT, 0};
    poll(&ready, 1, 100);
    flush();
  }
  close(std::exchange(socket_, -1));
  int status = 0;
  if (!ends_within(process_, kFinishing, &status))
    log_info("W&B: the upload continues without this process; see " + log_.string());
  else if (status != 0)
    log_warning("W&B: its helper failed; it says why in " + log_.string());
}

}  // namespace gpt
