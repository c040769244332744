// A stop that a person or a scheduler requests, noticed between steps.
#pragma once

#include <csignal>

namespace gpt {

// Stop signals that come from here on wait until they are released. Usable before main, when
// nothing is initialised yet.
void hold_stop_signals();
// A signal that waited is delivered now. Nothing happens if none were held.
void release_stop_signals();

// "SIGTERM"; "" for the number of no stop signal.
const char* stop_signal_name(int number);

// Releases held signals to itself. While it lives, SIGINT, SIGTERM and what batch systems and
// closed terminals send (SIGUSR1, SIGUSR2, SIGXCPU, and SIGHUP unless nohup has it ignored) only
// set a flag; the first of them also restores SIGINT's default action, so that a second Ctrl-C ends
// the process at once. One at a time.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  bool requested() const { return number() != 0; }
  int number() const;        // 0 while none has come
  const char* name() const;  // "SIGTERM"; "" while none has come

 private:
  struct sigaction before_[6];
};

}  // namespace gpt
