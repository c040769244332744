#include "gpt/base/machine_limits.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sched.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

#include "gpt/base/control_group.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

std::uint64_t page_bytes() {
  return static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

MemoryBound machine_memory(const SystemRoot& root) {
  MemoryBound machine;
  machine.total = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * page_bytes();
  machine.available = machine.total;
  std::ifstream info(root / "proc/meminfo");
  for (std::string line; std::getline(info, line);) {
    const auto kibi = [&](const char* name, std::uint64_t& bytes) {
      if (line.starts_with(name))
        bytes = std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10) * 1024;
    };
    kibi("MemTotal:", machine.total);
    kibi("MemAvailable:", machine.available);
  }
  return machine;
}

void add_address_space(const SystemRoot& root, std::vector<MemoryBound>& bounds) {
  rlimit addresses{};
  if (getrlimit(RLIMIT_AS, &addresses) != 0 || addresses.rlim_cur == RLIM_INFINITY) return;
  std::ifstream sizes(root / "proc/self/statm");
  std::uint64_t pages = 0;
  sizes >> pages;
  const std::uint64_t limit = addresses.rlim_cur, mapped = pages * page_bytes();
  bounds.push_back({concat("the address space's limit of ", human_bytes(limit), " (`ulimit -v`)"),
                    limit, limit - std::min(limit, mapped)});
}

int cores_of_process() {
  cpu_set_t cores;
  // It fails on machines of more than 1024 cores.
  if (sched_getaffinity(0, sizeof cores, &cores) == 0) return std::max(1, CPU_COUNT(&cores));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void lower(ThreadBound& bound, const std::string& name, double threads) {
  if (threads >= 1 && threads < bound.threads) bound = {name, static_cast<int>(threads)};
}

}  // namespace

std::vector<MemoryBound> memory_bounds(const SystemRoot& root) {
  std::vector<MemoryBound> bounds{machine_memory(root)};
  for (const GroupMemory& group : group_memory(root))
    bounds.push_back(
        {concat("the limit of ", human_bytes(group.limit), " of the control group ", group.group),
         group.limit, group.limit - std::min(group.limit, group.use)});
  add_address_space(root, bounds);
  return bounds;
}

const MemoryBound& tightest(const std::vector<MemoryBound>& bounds) {
  return *std::min_element(
      bounds.begin(), bounds.end(),
      [](const MemoryBound& a, const MemoryBound& b) { return a.available < b.available; });
}

std::string memory_text(const MemoryBound& bound) {
  return concat(human_bytes(bound.available), " available", bound.name.empty() ? "" : ", by ",
                bound.name);
}

ThreadBound usable_threads(const SystemRoot& root) {
  ThreadBound bound{"", cores_of_process()};
  for (const GroupCpus& group : group_cpus(root))
    lower(bound, concat("the CPU quota of the control group ", group.group),
          std::max(1.0, std::ceil(group.cpus)));
  for (const char* variable : {"OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"})
    if (const char* value = std::getenv(variable))
      lower(bound, variable, static_cast<double>(std::strtol(value, nullptr, 10)));
  return bound;
}

}  // namespace gpt
