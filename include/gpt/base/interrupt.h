// Ctrl-C that ends what is being done and not the program.
#pragma once

#include <csignal>
#include <string>

namespace gpt {

// While it lives, SIGINT only sets a flag, and ends a read that waits. One at a time.
class Interrupts {
 public:
  Interrupts();
  ~Interrupts();
  Interrupts(const Interrupts&) = delete;
  Interrupts& operator=(const Interrupts&) = delete;

  bool pending() const;
  bool take();  // and forget it

 private:
  struct sigaction before_;
};

// Lines of a descriptor, as they come.
class InteractiveLines {
 public:
  explicit InteractiveLines(int descriptor) : descriptor_(descriptor) {}

  enum class Got { kLine, kInterrupt, kEnd };
  // Without its end; \r\n is one. A line at the end needs no end. An error of the descriptor ends
  // the lines.
  Got next(std::string& line);

 private:
  int descriptor_;
  std::string waiting_;
  bool ended_ = false;
};

}  // namespace gpt
