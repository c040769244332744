#include "gpt/base/signal.h"

#include <cstddef>
#include <iterator>

namespace gpt {

namespace {

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP, SIGXCPU};
constexpr std::size_t kCount = std::size(kSignals);
volatile std::sig_atomic_t received = 0;
bool held = false;
sigset_t mask_before;

void note(int signal) {
  if (received == 0) received = signal;
  struct sigaction fallback = {};
  fallback.sa_handler = SIG_DFL;
  sigaction(SIGINT, &fallback, nullptr);  // async-signal-safe
}

}  // namespace

void hold_stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : kSignals) sigaddset(&signals, signal);
  held = sigprocmask(SIG_BLOCK, &signals, &mask_before) == 0;
}

void release_stop_signals() {
  if (!held) return;
  held = false;
  sigprocmask(SIG_SETMASK, &mask_before, nullptr);
}

StopSignals::StopSignals() {
  received = 0;
  struct sigaction action = {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  static_assert(sizeof before_ == kCount * sizeof before_[0]);
  for (std::size_t i = 0; i < kCount; ++i) {
    sigaction(kSignals[i], nullptr, &before_[i]);
    const bool nohup = kSignals[i] == SIGHUP && before_[i].sa_handler == SIG_IGN;
    if (!nohup) sigaction(kSignals[i], &action, nullptr);
  }
  release_stop_signals();
}

StopSignals::~StopSignals() {
  for (std::size_t i = 0; i < kCount; ++i) sigaction(kSignals[i], &before_[i], nullptr);
}

int StopSignals::number() const {
  return received;
}

const char* StopSignals::name() const {
  return stop_signal_name(received);
}

const char* stop_signal_name(int number) {
  switch (number) {
    case SIGINT:
      return "SIGINT";
    case SIGTERM:
      return "SIGTERM";
    case SIGUSR1:
      return "SIGUSR1";
    case SIGUSR2:
      return "SIGUSR2";
    case SIGHUP:
      return "SIGHUP";
    case SIGXCPU:
      return "SIGXCPU";
    default:
      return "";
  }
}

}  // namespace gpt
