// The program as its users run it: a child process with its output in files.
#pragma once

#include <csignal>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "gpt/base/files.h"

#include "support/temp_dir.h"

namespace gpt::testing {

struct Finished {
  int code = -1;  // exit code, or minus the signal that ended it
  std::string out, err;
};

// `gpttrain arguments...`, started in `dir`.
class Child {
 public:
  Child(const TempDir& dir, std::vector<std::string> arguments) : dir_(dir) {
    static int count = 0;
    name_ = "child" + std::to_string(count++);
    std::string program = GPT_PROGRAM;
    std::vector<char*> argv{program.data()};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const std::string out = dir / (name_ + ".out"), err = dir / (name_ + ".err");
    pid_ = fork();
    if (pid_ == 0) {
      // Between fork and exec only what is safe there.
      const int o = open(out.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
      const int e = open(err.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
      if (chdir(dir.path().c_str()) != 0 || dup2(o, 1) < 0 || dup2(e, 2) < 0) _exit(126);
      execv(GPT_PROGRAM, argv.data());
      _exit(127);
    }
  }

  pid_t pid() const { return pid_; }
  std::string out_so_far() const { return so_far(".out"); }

  // Waits until the output, or with `log` what it says next to it, holds `text`; false if the child
  // ends before, or after ten minutes: the machine may be busy with other things.
  bool says(const std::string& text, bool log = false) const {
    const char* stream = log ? ".err" : ".out";
    for (int i = 0; i < 60000; ++i) {
      if (so_far(stream).find(text) != std::string::npos) return true;
      siginfo_t state{};
      if (waitid(P_PID, static_cast<id_t>(pid_), &state, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          state.si_pid == pid_)
        return so_far(stream).find(text) != std::string::npos;
      usleep(10000);
    }
    return false;
  }

  // Waits until it has begun and holds stop signals; false if it has not in ten minutes.
  bool holds_signals() const {
    const std::string file = "/proc/" + std::to_string(pid_) + "/status";
    for (int i = 0; i < 1200000; ++i) {
      const std::string status = read_file(file);
      const std::size_t line = status.find("SigBlk:");
      if (line == std::string::npos || status.find("State:\tZ") != std::string::npos) return false;
      if (std::stoull(status.substr(line + 7), nullptr, 16) & (1ULL << (SIGTERM - 1))) return true;
      usleep(500);
    }
    return false;
  }

  Finished wait() const {
    int status = 0;
    waitpid(pid_, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), out_so_far(),
            so_far(".err")};
  }

 private:
  std::string so_far(const char* stream) const {
    std::error_code ignored;
    const fs::path file = dir_ / (name_ + stream);
    return fs::exists(file, ignored) ? read_file(file) : "";
  }

  const TempDir& dir_;
  std::string name_;
  pid_t pid_ = -1;
};

inline Finished run(const TempDir& dir, const std::vector<std::string>& arguments) {
  return Child(dir, arguments).wait();
}

// A small text, prepared as data/tiny below `dir`, and flags of a model that learns it in seconds.
inline void prepare_tiny(const TempDir& dir) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "the quick brown fox jumps over the lazy dog\n";
  dir.write("fox.txt", text);
  run(dir, {"prepare", "--out=data/tiny", "fox.txt"});
}

inline std::vector<std::string> tiny_training(const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"train", std::string(GPT_SOURCE_DIR) + "/configs/ci_tiny.json",
                                     "--dataset=tiny", "--threads=1", "--log_interval=1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

}  // namespace gpt::testing
