// How much of the machine's memory this process's tensors may take.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gpt/base/machine_limits.h"

namespace gpt {

// Bytes.
struct HostMemory {
  std::uint64_t plan = 0;             // for what is planned
  std::optional<std::uint64_t> most;  // beyond: the process is killed, or gets nothing
  std::string source;                 // whose limit `plan` is made for
};

// What the process takes besides tensors once it runs: code of libraries that is read in, their
// scratch, stacks, gaps in the heap. Measured with map_large_blocks(): 65 MiB.
inline constexpr std::uint64_t kHostOverhead = std::uint64_t{128} << 20;

HostMemory host_memory(const std::vector<MemoryBound>& bounds = memory_bounds());

}  // namespace gpt
