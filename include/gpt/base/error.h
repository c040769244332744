// The one exception family. Only main() catches it; nothing below main exits the process.
#pragma once

#include <cstring>
#include <stdexcept>
#include <string>

namespace gpt {

// Process exit codes; see the README.
enum ExitCode : int {
  kExitDone = 0,
  kExitFailure = 1,
  kExitBadInput = 2,
  kExitStopped = 75,  // sysexits' EX_TEMPFAIL: stopped by a signal after saving, start again
};

// Anything that went wrong while running: I/O, no memory, a diverged run.
// The text is one line: what, where, what was expected, what to do.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& what, ExitCode code = kExitFailure)
      : std::runtime_error(what), exit_code_(code) {}
  ExitCode exit_code() const { return exit_code_; }

 private:
  ExitCode exit_code_;
};

// The user's input is wrong: a flag, a config file, a data file, a path.
class InputError : public Error {
 public:
  explicit InputError(const std::string& what) : Error(what, kExitBadInput) {}
};

// A system call on a file failed; keeps errno so that callers can tell a full disk from the rest.
class IoError : public Error {
 public:
  // "PATH: cannot CALL: strerror(error)"
  IoError(const std::string& path, const std::string& call, int error)
      : Error(path + ": cannot " + call + ": " + std::strerror(error)), error_(error) {}
  int error() const { return error_; }

 private:
  int error_;
};

}  // namespace gpt
