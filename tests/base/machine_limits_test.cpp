#include "gpt/base/machine_limits.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "support/environment.h"
#include "support/system_folder.h"

namespace gpt {
namespace {

using testing::Environment;
using testing::SystemFolder;

constexpr std::uint64_t kMiB = 1 << 20, kGiB = 1 << 30;

SystemFolder machine() {
  SystemFolder system;
  system.write("proc/meminfo",
               "MemTotal:       33554432 kB\nMemFree: 1 kB\nMemAvailable:   25165824 kB\n");
  return system;
}

void add_group(const SystemFolder& system, std::uint64_t limit, std::uint64_t use,
               const std::string& cpus) {
  system.write("proc/self/cgroup", "0::/box\n");
  system.write("proc/self/mountinfo", "30 23 0:26 / /cg rw - cgroup2 cgroup2 rw\n");
  system.write("cg/box/memory.max", std::to_string(limit));
  system.write("cg/box/memory.current", std::to_string(use));
  system.write("cg/box/cpu.max", cpus);
}

TEST(MachineLimits, MemoryIsTheMachinesWhereNothingElseHolds) {
  const SystemFolder system = machine();
  const auto bounds = memory_bounds(system.root);
  ASSERT_EQ(bounds.size(), 1u);
  EXPECT_EQ(bounds[0].total, 32 * kGiB);
  EXPECT_EQ(bounds[0].available, 24 * kGiB);
  EXPECT_EQ(memory_text(tightest(bounds)), "24.00 GiB available");
}

TEST(MachineLimits, AGroupsLimitLessItsUseHolds) {
  const SystemFolder system = machine();
  add_group(system, 800 * kMiB, 200 * kMiB, "max 100000");
  auto bounds = memory_bounds(system.root);
  EXPECT_EQ(tightest(bounds).total, 800 * kMiB);
  EXPECT_EQ(memory_text(tightest(bounds)),
            "600.00 MiB available, by the limit of 800.00 MiB of the control group /box");
  add_group(system, 100 * kGiB, 0, "max 100000");
  bounds = memory_bounds(system.root);
  EXPECT_EQ(tightest(bounds).name, "");  // more than the machine has
  add_group(system, kMiB, 2 * kMiB, "max 100000");
  EXPECT_EQ(tightest(memory_bounds(system.root)).available, 0u);
}

// In a process of its own: the limit stays.
TEST(MachineLimits, TheAddressSpaceHoldsLessWhatIsMapped) {
  const SystemFolder system = machine();
  system.write("proc/self/statm", std::to_string(100 * kMiB / 4096) + " 1 1 1 0 1 0\n");
  const pid_t child = fork();
  if (child == 0) {
    const rlimit limit{16 * kGiB, RLIM_INFINITY};
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(2);
    const auto bounds = memory_bounds(system.root);
    const MemoryBound& least = tightest(bounds);
    _exit(least.total == 16 * kGiB && least.available == 16 * kGiB - 100 * kMiB &&
                  least.name == "the address space's limit of 16.00 GiB (`ulimit -v`)"
              ? 0
              : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
#ifndef __SANITIZE_ADDRESS__
  EXPECT_EQ(status, 0);
#endif
}

TEST(MachineLimits, ThreadsAreTheLeastOfAllThatIsSaid) {
  const Environment no_omp("OMP_NUM_THREADS", std::nullopt),
      no_slurm("SLURM_CPUS_PER_TASK", std::nullopt);
  cpu_set_t cores;
  ASSERT_EQ(sched_getaffinity(0, sizeof cores, &cores), 0);
  const int all = CPU_COUNT(&cores);
  const SystemFolder system = machine();
  EXPECT_EQ(usable_threads(system.root).threads, all);
  EXPECT_EQ(usable_threads(system.root).name, "");
  if (all < 2) GTEST_SKIP() << "one core can hardly be limited";
  add_group(system, kGiB, 0, "40000 100000");
  EXPECT_EQ(usable_threads(system.root).threads, 1);
  EXPECT_EQ(usable_threads(system.root).name, "the CPU quota of the control group /box");
  add_group(system, kGiB, 0, std::to_string(all * 100000 - 1) + " 100000");
  EXPECT_EQ(usable_threads(system.root).threads, all);  // rounded up
  {
    const Environment omp("OMP_NUM_THREADS", "1,2");
    EXPECT_EQ(usable_threads(system.root).threads, 1);
    EXPECT_EQ(usable_threads(system.root).name, "OMP_NUM_THREADS");
  }
  const Environment slurm("SLURM_CPUS_PER_TASK", "1");
  EXPECT_EQ(usable_threads(system.root).name, "SLURM_CPUS_PER_TASK");
  for (const char* nonsense : {"", "many", "0", "-3", "999999"}) {
    const Environment omp("OMP_NUM_THREADS", nonsense), none("SLURM_CPUS_PER_TASK", std::nullopt);
    EXPECT_EQ(usable_threads(system.root).threads, all) << nonsense;
  }
}

TEST(MachineLimits, WindowsAndContainersAreTold) {
  SystemFolder system = machine();
  EXPECT_FALSE(in_wsl(system.root));
  EXPECT_FALSE(in_container(system.root));
  system.write("proc/sys/kernel/osrelease", "6.6.87.2-microsoft-standard-WSL2\n");
  EXPECT_TRUE(in_wsl(system.root));
  system.write("proc/1/cgroup", "4:memory:/kubepods/besteffort/pod1\n");
  EXPECT_TRUE(in_container(system.root));
  const SystemFolder docker;
  docker.write(".dockerenv", "");
  EXPECT_TRUE(in_container(docker.root));
}

}  // namespace
}  // namespace gpt
