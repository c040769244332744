// The program in control groups of its own, where this machine lets them be made.
#include <fcntl.h>
#include <regex>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/child.h"
#include "support/environment.h"

namespace gpt {
namespace {

using testing::Finished;
using testing::TempDir;

bool write_to(const fs::path& file, const std::string& text) {
  const int to = open(file.c_str(), O_WRONLY | O_CLOEXEC);
  if (to < 0) return false;
  const bool written = write(to, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  close(to);
  return written;
}

// A group below the first of `tops` that takes `limits` (file and value), or none.
class Group {
 public:
  using Limits = std::vector<std::pair<std::string, std::string>>;

  Group(const std::vector<std::pair<fs::path, Limits>>& tops) {
    for (const auto& [top, limits] : tops) {
      std::error_code failed;
      const fs::path folder = top / ("gpttrain-test-" + std::to_string(getpid()));
      if (!fs::is_directory(top, failed) || !fs::create_directory(folder, failed)) continue;
      bool all = true;
      for (const auto& [file, value] : limits) all = all && write_to(folder / file, value);
      if (all) {
        folder_ = folder;
        return;
      }
      rmdir(folder.c_str());
    }
  }
  ~Group() {
    if (!folder_.empty()) rmdir(folder_.c_str());
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  bool made() const { return !folder_.empty(); }
  std::string name() const { return folder_.filename().string(); }

  // Children of this process inherit its group.
  Finished run(const TempDir& dir, const std::vector<std::string>& arguments) const {
    if (!write_to(folder_ / "cgroup.procs", "0")) return {};
    const Finished finished = testing::run(dir, arguments);
    write_to(folder_.parent_path() / "cgroup.procs", "0");
    return finished;
  }

 private:
  fs::path folder_;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Without a limit this plan would take gigabytes, and the kernel would kill the process.
TEST(Group, ARunFitsIntoItsMemory) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the sanitizers' own needs are larger";
#endif
  const std::string limit = std::to_string(800 << 20);
  const Group group({{"/sys/fs/cgroup/memory", {{"memory.limit_in_bytes", limit}}},
                     {"/sys/fs/cgroup", {{"memory.max", limit}, {"memory.swap.max", "0"}}}});
  if (!group.made()) GTEST_SKIP() << "no control group can be made here";
  const TempDir dir;
  testing::prepare_tiny(dir);
  const auto arguments =
      testing::tiny_training({"--out_dir=out", "--n_layer=4", "--n_head=4", "--n_embd=128",
                              "--block_size=256", "--batch_size=128", "--max_iters=1",
                              "--eval_interval=1000", "--eval_iters=1", "--compile=False"});
  const Finished trained = group.run(dir, arguments);
  EXPECT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(std::regex_search(
      trained.err, std::regex("memory of the machine: \\d+\\.\\d\\d MiB available, by the limit of "
                              "800\\.00 MiB of the control group \\S*" +
                              group.name())))
      << trained.err;
  // A limit that is asked for holds no better than the group's.
  auto more = arguments;
  more.insert(more.end(), {"--memory_limit=16GiB", "--out_dir=more"});
  const Finished asked = group.run(dir, more);
  EXPECT_EQ(asked.code, 0) << asked.err;
  const Finished doctor = group.run(dir, {"doctor", "--json"});
  const auto memory = nlohmann::json::parse(doctor.out).at("memory");
  EXPECT_TRUE(has(memory.at("limit").get<std::string>(), group.name())) << doctor.out;
  EXPECT_LT(memory.at("available").get<std::int64_t>(), 800 << 20);
}

TEST(Group, ThreadsAreThoseOfItsQuota) {
  const Group group(
      {{"/sys/fs/cgroup/cpu", {{"cpu.cfs_period_us", "100000"}, {"cpu.cfs_quota_us", "100000"}}},
       {"/sys/fs/cgroup", {{"cpu.max", "100000 100000"}}}});
  if (!group.made()) GTEST_SKIP() << "no control group can be made here";
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP() << "there is one core";
  const testing::Environment no_omp("OMP_NUM_THREADS", std::nullopt),
      no_slurm("SLURM_CPUS_PER_TASK", std::nullopt);
  const TempDir dir;
  const Finished planned = group.run(
      dir, {"plan", "--device=cpu", "--n_layer=1", "--n_head=1", "--n_embd=16", "--block_size=8"});
  EXPECT_EQ(planned.code, 0) << planned.err;
  EXPECT_TRUE(has(planned.err, "1 thread(s), by the CPU quota of the control group "))
      << planned.err;
}

TEST(Group, ThreadsAreThoseOfTheEnvironment) {
  if (sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP() << "there is one core";
  const TempDir dir;
  const testing::Environment omp("OMP_NUM_THREADS", "1");
  std::vector<std::string> plan{"plan",       "--device=cpu", "--n_layer=1",
                                "--n_head=1", "--n_embd=16",  "--block_size=8"};
  EXPECT_TRUE(has(testing::run(dir, plan).err, "1 thread(s), by OMP_NUM_THREADS"));
  plan.emplace_back("--threads=2");
  const std::string asked = testing::run(dir, plan).err;
  EXPECT_TRUE(has(asked, "2 thread(s)\n")) << asked;
}

}  // namespace
}  // namespace gpt
