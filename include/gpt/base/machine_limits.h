// How much memory and how many threads this process may take of its machine, and who says so: the
// machine itself, the control group of a container or a batch system, `ulimit -v`, the environment.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpt/base/system_root.h"

namespace gpt {

struct MemoryBound {
  std::string name;                        // "" for the machine itself
  std::uint64_t total = 0, available = 0;  // bytes; available: what this process can still get
};
// The machine's first. Beyond any of the others the process is killed, or gets nothing.
std::vector<MemoryBound> memory_bounds(const SystemRoot& root = {});
// The one with the least that is available; there must be one.
const MemoryBound& tightest(const std::vector<MemoryBound>& bounds);
// "21.31 GiB available", "611.20 MiB available, by the limit of 800.00 MiB of the control group
// /x".
std::string memory_text(const MemoryBound& bound);

struct ThreadBound {
  std::string name;  // "" for the cores that the process may run on
  int threads = 1;
};
// The least of those cores, the quota of the control groups, rounded up, and what OMP_NUM_THREADS
// and SLURM_CPUS_PER_TASK ask for.
ThreadBound usable_threads(const SystemRoot& root = {});

}  // namespace gpt
