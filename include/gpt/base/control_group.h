// What the control groups (cgroups, versions 1 and 2) of this process allow it: the limits of
// containers and batch systems, which /proc/meminfo and the affinity know nothing of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpt/base/system_root.h"

namespace gpt {

struct GroupMemory {
  std::string group;  // "/docker/5f..."
  // Bytes. File cache that the kernel would give up counts as no use.
  std::uint64_t limit = 0, use = 0;
};
// Of every group from this process's up to the root that has a limit.
std::vector<GroupMemory> group_memory(const SystemRoot& root = {});

struct GroupCpus {
  std::string group;
  double cpus = 0;  // seconds of CPU time that it gets a second
};
std::vector<GroupCpus> group_cpus(const SystemRoot& root = {});

}  // namespace gpt
