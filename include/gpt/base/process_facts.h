// What the kernel says of a process.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace gpt {

struct ProcessFacts {
  std::string name;
  bool ended = false;  // it is dead, and its parent has not asked yet
  int parent = 0;
  std::uint64_t start = 0;  // in the kernel's ticks since boot; 0 if unknown
};

// Of /proc/PROCESS/stat; nothing if there is no such file or it cannot be read.
std::optional<ProcessFacts> process_facts(long process);

}  // namespace gpt
