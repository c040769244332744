#include "gpt/base/control_group.h"

#include <gtest/gtest.h>

#include "support/system_folder.h"

namespace gpt {
namespace {

using testing::SystemFolder;

constexpr std::uint64_t kMiB = 1 << 20;

std::string bytes(std::uint64_t mebi) {
  return std::to_string(mebi * kMiB) + "\n";
}

SystemFolder second_version(const std::string& top, const std::string& group) {
  SystemFolder system;
  system.write("proc/self/cgroup", "0::" + group + "\n");
  system.write("proc/self/mountinfo",
               "22 1 0:20 / /proc rw - proc proc rw\n"
               "30 23 0:26 " +
                   top + " /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
  return system;
}

TEST(ControlGroup, ThereIsNone) {
  const SystemFolder system;
  EXPECT_TRUE(group_memory(system.root).empty());
  EXPECT_TRUE(group_cpus(system.root).empty());
}

TEST(ControlGroup, EveryLevelOfTheSecondVersionCounts) {
  const SystemFolder system = second_version("/", "/slurm/job_7/step_0");
  const std::string group = "sys/fs/cgroup/slurm/job_7/step_0/";
  system.write(group + "memory.max", "max\n");
  system.write(group + "memory.high", bytes(300));
  system.write(group + "memory.current", bytes(100));
  system.write(group + "memory.stat", "anon 1\nfile 9\nactive_file 0\ninactive_file 0\n");
  system.write("sys/fs/cgroup/slurm/job_7/memory.max", bytes(800));
  system.write("sys/fs/cgroup/slurm/job_7/memory.current", bytes(700));
  system.write("sys/fs/cgroup/slurm/job_7/cpu.max", "150000 100000\n");
  system.write("sys/fs/cgroup/slurm/cpu.max", "max 100000\n");
  const auto memory = group_memory(system.root);
  ASSERT_EQ(memory.size(), 2u);
  EXPECT_EQ(memory[0].group, "/slurm/job_7/step_0");
  EXPECT_EQ(memory[0].limit, 300 * kMiB);
  EXPECT_EQ(memory[0].use, 100 * kMiB);
  EXPECT_EQ(memory[1].group, "/slurm/job_7");
  EXPECT_EQ(memory[1].limit, 800 * kMiB);
  EXPECT_EQ(memory[1].use, 700 * kMiB);
  const auto cpus = group_cpus(system.root);
  ASSERT_EQ(cpus.size(), 1u);
  EXPECT_DOUBLE_EQ(cpus[0].cpus, 1.5);
  EXPECT_EQ(cpus[0].group, "/slurm/job_7");
}

// What is mapped of files is the program's own code.
TEST(ControlGroup, FileCacheThatCanGoIsNoUse) {
  const SystemFolder system = second_version("/", "/a");
  system.write("sys/fs/cgroup/a/memory.max", bytes(800));
  system.write("sys/fs/cgroup/a/memory.current", bytes(700));
  system.write("sys/fs/cgroup/a/memory.stat", "file " + bytes(600) + "file_mapped " + bytes(50) +
                                                  "inactive_file " + bytes(300) + "active_file " +
                                                  bytes(150) + "shmem " + bytes(150));
  const auto memory = group_memory(system.root);
  ASSERT_EQ(memory.size(), 1u);
  EXPECT_EQ(memory[0].use, 300 * kMiB);
}

// Docker without a namespace of groups shows the host's path and mounts the group as the top; with
// one the path is "/", or leads out of what is mounted.
TEST(ControlGroup, OfAContainer) {
  for (const auto& [top, group] : std::vector<std::pair<std::string, std::string>>{
           {"/docker/5f", "/docker/5f"}, {"/", "/"}, {"/", "/../../other"}}) {
    const SystemFolder system = second_version(top, group);
    system.write("sys/fs/cgroup/memory.max", bytes(800));
    system.write("sys/fs/cgroup/memory.current", bytes(10));
    const auto memory = group_memory(system.root);
    ASSERT_EQ(memory.size(), 1u) << top << " " << group;
    EXPECT_EQ(memory[0].limit, 800 * kMiB);
    EXPECT_EQ(memory[0].group, top);
  }
}

TEST(ControlGroup, TheFirstVersionHasATreeForEachController) {
  SystemFolder system;
  system.write("proc/self/cgroup", "4:memory:/box\n2:cpu,cpuacct:/quota\n0::/\n");
  system.write("proc/self/mountinfo",
               "32 31 0:29 / /sys/fs/cgroup/cpu\\040here rw - cgroup cgroup rw,cpu,cpuacct\n"
               "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
               "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  system.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  system.write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", bytes(800));
  system.write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", bytes(500));
  system.write("sys/fs/cgroup/memory/box/memory.stat",
               "inactive_file 7\ntotal_inactive_file " + bytes(200) + "hierarchical_memory_limit " +
                   bytes(600));
  system.write("sys/fs/cgroup/cpu here/quota/cpu.cfs_quota_us", "250000\n");
  system.write("sys/fs/cgroup/cpu here/quota/cpu.cfs_period_us", "100000\n");
  system.write("sys/fs/cgroup/cpu here/cpu.cfs_quota_us", "-1\n");
  system.write("sys/fs/cgroup/cpu here/cpu.cfs_period_us", "100000\n");
  const auto memory = group_memory(system.root);
  ASSERT_EQ(memory.size(), 1u);
  EXPECT_EQ(memory[0].limit, 600 * kMiB);  // of a group above that a container does not see
  EXPECT_EQ(memory[0].use, 300 * kMiB);
  const auto cpus = group_cpus(system.root);
  ASSERT_EQ(cpus.size(), 1u);
  EXPECT_DOUBLE_EQ(cpus[0].cpus, 2.5);
}

}  // namespace
}  // namespace gpt
