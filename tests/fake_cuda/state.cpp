// What was set, counted and complained of.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <execinfo.h>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <unistd.h>

#include "parts.h"

namespace gpt::fake {

namespace {

std::size_t mebibytes(const char* name, std::size_t otherwise) {
  const char* value = std::getenv(name);
  return value ? static_cast<std::size_t>(std::atol(value)) << 20 : otherwise;
}

State* from_environment() {
  auto* made = new State;  // for good: LibTorch calls CUDA until the very end
  made->card_bytes = mebibytes("FAKE_CUDA_MIB", made->card_bytes);
  made->refused_beyond = mebibytes("FAKE_CUDA_REFUSE_MIB", made->refused_beyond);
  made->pinned_at_most = mebibytes("FAKE_CUDA_PIN_MIB", made->pinned_at_most);
  if (const char* what = std::getenv("FAKE_CUDA_FAIL")) made->fails = what;
  if (const char* cards = std::getenv("FAKE_CUDA_CARDS")) {
    made->capabilities.clear();
    std::istringstream list(cards);
    for (std::string card; std::getline(list, card, ',');)
      made->capabilities.push_back(std::atoi(card.c_str()));
  }
  return made;
}

std::map<std::string, long>& counts() {
  static auto* one = new std::map<std::string, long>;
  return *one;
}

void show_stack(const std::string& what) {
  std::cerr << "[fake CUDA] " << what << std::endl;
  void* frames[60];
  backtrace_symbols_fd(frames, backtrace(frames, 60), STDERR_FILENO);
}

__attribute__((destructor)) void report() {
  if (const char* file = std::getenv("FAKE_CUDA_REPORT")) {
    const char* rank = std::getenv("RANK");  // of several processes each has its own
    std::ofstream out(std::string(file) + (rank ? std::string(".") + rank : std::string()));
    for (const auto& [what, times] : counts()) out << times << ' ' << what << '\n';
    for (const int card : state().contexts) out << "1 context on card " << card << '\n';
  }
}

}  // namespace

State& state() {
  static State* one = from_environment();
  return *one;
}

std::recursive_mutex& mutex() {
  static auto* one = new std::recursive_mutex;
  return *one;
}

void count(const std::string& what) {
  static const char* traced = std::getenv("FAKE_CUDA_TRACE");
  const Lock lock(mutex());
  ++counts()[what];
  if (traced && what.find(traced) != std::string::npos) show_stack(what);
}

long counted(const std::string& what) {
  const Lock lock(mutex());
  return counts()[what];
}

void complain(const std::string& what) {
  constexpr int kShown = 5;
  static int shown = 0;
  const Lock lock(mutex());
  ++counts()["complaint: " + what];
  if (shown++ < kShown) show_stack("complaint: " + what);
}

}  // namespace gpt::fake
