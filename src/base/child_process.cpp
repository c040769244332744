#include "gpt/base/child_process.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

namespace gpt {

namespace {

struct SpawnPlan {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  SpawnPlan() {
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    // What we ignore or hold back is our affair: it is to end once nobody reads it any more.
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    for (const int signal : {SIGPIPE, SIGXFSZ}) sigaddset(&signals, signal);
    posix_spawnattr_setsigdefault(&attributes, &signals);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  void give(int descriptor, int as) { posix_spawn_file_actions_adddup2(&files, descriptor, as); }
};

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments, int input) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw IoError(arguments[0], "make a pipe to", errno);
  output_ = ends[0];
  errors_ = memfd_create("stderr", MFD_CLOEXEC);
  SpawnPlan plan;
  plan.give(input, STDIN_FILENO);
  plan.give(ends[1], STDOUT_FILENO);
  if (errors_ >= 0) plan.give(errors_, STDERR_FILENO);
  const int error =
      posix_spawn(&pid_, argv[0], &plan.files, &plan.attributes, argv.data(), environ);
  close(ends[1]);
  if (error == 0) return;
  close(output_);
  close(errors_);
  throw IoError(arguments[0], "start", error);
}

ChildProcess::~ChildProcess() {
  close(output_);
  if (pid_ > 0) {
    kill(pid_, SIGTERM);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) continue;
  }
  if (errors_ >= 0) close(errors_);
}

std::string ChildProcess::wait() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  pid_ = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return "";
  return WIFSIGNALED(status) ? concat("ended by signal ", WTERMSIG(status))
                             : concat("exit code ", WEXITSTATUS(status));
}

std::string ChildProcess::finish() {
  const std::string how = wait();
  if (how.empty()) return "";
  std::string complaint = said();
  complaint = terminal_safe(complaint.substr(0, complaint.find('\n')));
  return complaint.empty() ? how : complaint;
}

std::string ChildProcess::last_words() const {
  std::string all = said();
  while (all.ends_with('\n')) all.pop_back();
  return terminal_safe(all.substr(all.rfind('\n') + 1));
}

void ChildProcess::stop() {
  constexpr int kPatience = 500;  // times 10 ms
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  for (int i = 0; i < kPatience && waitpid(pid_, nullptr, WNOHANG) == 0; ++i) usleep(10000);
  pid_ = -1;
}

// The first and the last of it, if it said much.
std::string ChildProcess::said() const {
  constexpr std::size_t kMost = 4096;
  std::string text(kMost, '\0');
  const off_t end = lseek(errors_, 0, SEEK_END);
  const ssize_t length = pread(errors_, text.data(), kMost, 0);
  text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
  if (end <= static_cast<off_t>(kMost)) return text;
  std::string last(kMost, '\0');
  const ssize_t more = pread(errors_, last.data(), kMost, end - static_cast<off_t>(kMost));
  return text + last.substr(0, more > 0 ? static_cast<std::size_t>(more) : 0);
}

}  // namespace gpt
