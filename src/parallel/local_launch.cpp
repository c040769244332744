#include "gpt/parallel/local_launch.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <optional>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"

extern char** environ;

namespace gpt {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr int kPassedOn[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP, SIGXCPU};

sigset_t waited_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : kPassedOn) sigaddset(&signals, signal);
  sigaddset(&signals, SIGCHLD);
  return signals;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> list;
  for (std::string& text : texts) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

// Of this process, with what makes a child a rank.
std::vector<std::string> environment_of(int rank, int count, int port) {
  std::vector<std::string> texts;
  for (char** entry = environ; *entry; ++entry) texts.emplace_back(*entry);
  const auto set = [&](const std::string& name, const auto& value) {
    std::erase_if(texts, [&](const std::string& text) { return text.starts_with(name + "="); });
    texts.push_back(concat(name, "=", value));
  };
  set("RANK", rank);
  set("LOCAL_RANK", rank);
  set("WORLD_SIZE", count);
  set("LOCAL_WORLD_SIZE", count);
  set("MASTER_ADDR", "127.0.0.1");
  set("MASTER_PORT", port);
  set("TORCHELASTIC_USE_AGENT_STORE", "True");
  set("GPTTRAIN_LAUNCHER", "gpttrain launch");
  return texts;
}

class Processes {
 public:
  Processes(int count, std::vector<std::string> arguments);

  ExitCode wait();

 private:
  struct Process {
    pid_t id = -1;
    bool ended = false;
    int code = 0;
  };

  void start(Process& process, int rank, int count);
  void collect();
  void note_end(int rank, int status);
  void send(int signal) const;
  void end_others();
  bool any_left() const;

  std::vector<std::string> arguments_;
  c10::intrusive_ptr<c10d::TCPStore> store_;  // outlives the ranks, whichever of them dies
  std::vector<Process> processes_;
  std::optional<int> failed_;  // code of the first one to fail
  Clock::time_point failed_at_;
  bool told_ = false, killed_ = false;
};

Processes::Processes(int count, std::vector<std::string> arguments)
    : arguments_(std::move(arguments)), processes_(static_cast<std::size_t>(count)) {
  c10d::TCPStoreOptions options;
  options.port = 0;
  options.isServer = true;
  options.waitWorkers = false;
  store_ = c10::make_intrusive<c10d::TCPStore>("127.0.0.1", options);
  for (int rank = 0; rank < count; ++rank) start(processes_[rank], rank, count);
}

// Between fork and exec nothing may allocate: this process has threads.
void Processes::start(Process& process, int rank, int count) {
  std::vector<std::string> arguments{"gpttrain"};
  arguments.insert(arguments.end(), arguments_.begin(), arguments_.end());
  std::vector<std::string> environment = environment_of(rank, count, store_->getPort());
  const std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
  const sigset_t waited = waited_signals();
  const pid_t parent = ::getpid();
  process.id = ::fork();
  if (process.id < 0) {
    const int error = errno;
    send(SIGKILL);
    throw Error(concat("rank ", rank, " of ", count, " could not be started: ",
                       std::strerror(error), "; start fewer with --nproc"));
  }
  if (process.id > 0) return;
  ::setpgid(0, 0);  // Ctrl-C comes to the launcher alone, which passes it on
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(kExitFailure);
  ::sigprocmask(SIG_UNBLOCK, &waited, nullptr);
  ::execve("/proc/self/exe", argv.data(), envp.data());
  ::_exit(kExitFailure);
}

void Processes::send(int signal) const {
  for (const Process& process : processes_)
    if (process.id > 0 && !process.ended) ::kill(process.id, signal);
}

bool Processes::any_left() const {
  return std::any_of(processes_.begin(), processes_.end(),
                     [](const Process& process) { return !process.ended; });
}

void Processes::note_end(int rank, int status) {
  Process& process = processes_[rank];
  process.ended = true;
  process.code = WIFEXITED(status) ? WEXITSTATUS(status) : kExitFailure;
  if (process.code == kExitDone || process.code == kExitStopped || failed_) return;
  failed_ = process.code;
  failed_at_ = Clock::now();
  const std::string how = WIFSIGNALED(status) ? concat("was ended by signal ", WTERMSIG(status),
                                                       " (", ::strsignal(WTERMSIG(status)), ")")
                                              : concat("has ended with exit code ", process.code);
  log_error(concat("rank ", rank, " (process ", process.id, ") ", how,
                   "; the other processes of the run end, too"));
}

void Processes::collect() {
  for (int status = 0;;) {
    const pid_t id = ::waitpid(-1, &status, WNOHANG);
    if (id <= 0) return;
    for (std::size_t rank = 0; rank < processes_.size(); ++rank)
      if (processes_[rank].id == id) note_end(static_cast<int>(rank), status);
  }
}

void Processes::end_others() {
  if (!failed_) return;
  const auto since = Clock::now() - failed_at_;
  if (since > 10s && !std::exchange(told_, true)) {
    send(SIGTERM);
    send(SIGCONT);  // one that is stopped obeys nothing
  }
  if (since > 30s && !std::exchange(killed_, true)) send(SIGKILL);
}

ExitCode Processes::wait() {
  const sigset_t waited = waited_signals();
  while (any_left()) {
    const timespec pause{.tv_sec = 0, .tv_nsec = 200'000'000};
    const int signal = ::sigtimedwait(&waited, nullptr, &pause);
    if (signal > 0 && signal != SIGCHLD) send(signal);
    collect();
    end_others();
  }
  if (failed_) return static_cast<ExitCode>(*failed_);
  const bool stopped =
      std::any_of(processes_.begin(), processes_.end(),
                  [](const Process& process) { return process.code == kExitStopped; });
  return stopped ? kExitStopped : kExitDone;
}

}  // namespace

ExitCode launch_processes(int count, const std::vector<std::string>& arguments) {
  const sigset_t waited = waited_signals();
  ::sigprocmask(SIG_BLOCK, &waited, nullptr);
  return Processes(count, arguments).wait();
}

}  // namespace gpt
