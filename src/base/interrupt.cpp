#include "gpt/base/interrupt.h"

#include <cerrno>
#include <unistd.h>
#include <utility>

namespace gpt {

namespace {

volatile std::sig_atomic_t interrupted = 0;

void note_interrupt(int) {
  interrupted = 1;
}

}  // namespace

Interrupts::Interrupts() {
  interrupted = 0;
  struct sigaction action = {};
  action.sa_handler = note_interrupt;  // without SA_RESTART: a read that waits ends
  sigaction(SIGINT, &action, &before_);
}

Interrupts::~Interrupts() {
  sigaction(SIGINT, &before_, nullptr);
}

bool Interrupts::pending() const {
  return interrupted != 0;
}

bool Interrupts::take() {
  const bool was = interrupted != 0;
  interrupted = 0;
  return was;
}

InteractiveLines::Got InteractiveLines::next(std::string& line) {
  constexpr std::size_t kLongest = std::size_t{64} << 20;
  for (;;) {
    const std::size_t end = waiting_.find('\n');
    if (end != waiting_.npos || (ended_ && !waiting_.empty()) || waiting_.size() > kLongest) {
      line = waiting_.substr(0, end);
      waiting_.erase(0, end == waiting_.npos ? end : end + 1);
      if (line.ends_with('\r')) line.pop_back();
      return Got::kLine;
    }
    if (ended_) return Got::kEnd;
    char bytes[4096];
    const ssize_t got = ::read(descriptor_, bytes, sizeof bytes);
    if (got > 0) {
      waiting_.append(bytes, static_cast<std::size_t>(got));
    } else if (got < 0 && errno == EINTR) {
      return Got::kInterrupt;
    } else {
      ended_ = true;
    }
  }
}

}  // namespace gpt
