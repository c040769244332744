// A program whose output is read through a pipe, such as a Python script.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

namespace gpt {

class ChildProcess {
 public:
  // Starts the program of the path arguments[0] (see gpt/base/programs.h) with the descriptor
  // `input` as its standard input. In a process group of its own: Ctrl-C at the terminal is for us,
  // who still want its output. IoError.
  ChildProcess(const std::vector<std::string>& arguments, int input);
  ~ChildProcess();  // ends it if it still runs, and waits
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  int output() const { return output_; }  // to read from

  // Waits for its end. "" if it ended well, else the first line that it said, or how it ended.
  std::string finish();
  // Waits for its end: how it ended, "" if it ended well; and the last line that it said.
  std::string wait();
  std::string last_words() const;
  // Ends it at once and waits a few seconds for that: one that a driver holds on to ends when it
  // can.
  void stop();

 private:
  std::string said() const;

  pid_t pid_ = -1;  // -1: finished
  int output_ = -1;
  int errors_ = -1;  // a file in memory: however much it says, it never waits for us
};

}  // namespace gpt
