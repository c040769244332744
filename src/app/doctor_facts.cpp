#include "app/doctor_facts.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <gnu/libc-version.h>
#include <sstream>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/base/user_folders.h"
#include "gpt/base/version.h"
#include "gpt/device/watch.h"
#include "gpt/kernels/gemm/gemm_backend.h"
#include "gpt/parallel/join.h"
#include "gpt/parallel/launcher.h"
#include "gpt/probe/ask.h"

#include "app/version_details.h"

namespace gpt {

namespace {

// The value of a line "KEY<separator>VALUE".
std::string value_in(const fs::path& file, const std::string& key, char separator) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto at = line.find(separator);
    if (at == std::string::npos || !line.starts_with(key)) continue;
    std::string value = line.substr(at + 1);
    std::erase(value, '"');
    return value;
  }
  return "";
}

// Of those that a kernel of the program or of its libraries requests.
std::vector<std::string> cpu_features() {
  constexpr std::array kAsked{"avx2",     "fma",         "f16c",        "avx512f",  "avx512bw",
                              "avx512vl", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16"};
  std::istringstream words(value_in("/proc/cpuinfo", "flags", ':'));
  std::vector<std::string> there, found;
  for (std::string word; words >> word;) there.push_back(word);
  for (const char* name : kAsked)
    if (std::find(there.begin(), there.end(), name) != there.end()) found.emplace_back(name);
  return found;
}

std::optional<std::uint64_t> limit_of(__rlimit_resource resource) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

DiskFacts disk(const std::string& what, const std::string& path) {
  DiskFacts facts{.what = what, .path = path, .free = std::nullopt};
  try {
    facts.free = free_bytes(path);
  } catch (const Error&) {  // shown as unknown
  }
  fs::path there = fs::absolute(path);
  while (!file_exists(there) && there.has_relative_path()) there = there.parent_path();
  facts.writable = access(there.c_str(), W_OK) == 0;
  return facts;
}

void add_environment(DoctorFacts& facts) {
  for (const char* name : {"CUDA_VISIBLE_DEVICES",
                           "PYTORCH_ALLOC_CONF",
                           "PYTORCH_CUDA_ALLOC_CONF",
                           "CUBLAS_WORKSPACE_CONFIG",
                           "OMP_NUM_THREADS",
                           "SLURM_CPUS_PER_TASK",
                           "MKL_NUM_THREADS",
                           "ATEN_CPU_CAPABILITY",
                           "LD_LIBRARY_PATH",
                           "LD_PRELOAD",
                           "WORLD_SIZE",
                           "RANK",
                           "MASTER_ADDR",
                           "MASTER_PORT",
                           "GLOO_SOCKET_IFNAME",
                           "NCCL_SOCKET_IFNAME",
                           "NCCL_P2P_DISABLE",
                           "NCCL_IB_DISABLE",
                           "NCCL_DEBUG",
                           "GPTTRAIN_LOG"})
    if (const char* value = std::getenv(name)) facts.environment.emplace_back(name, value);
}

std::string launch_text() try {
  const LaunchInfo info = launch_info();
  if (info.size == 1) return info.note;
  return concat(
      info.launcher, ", rank ", info.rank, " of ", info.size,
      info.address.empty() ? std::string() : concat(", meeting at ", info.address, ":", info.port));
} catch (const InputError& error) {
  return error.what();
}

}  // namespace

std::optional<ProbeReport> probe_cpu() {
  try {
    ProbeReport report = ask_probe(
        {.key = "",
         .machine = "",
         .wants = {.expandable_segments = false},
         .command = {"/proc/self/exe", "probe", "--device=cpu", "--dtype=float32", "--n_layer=2",
                     "--n_head=4", "--n_embd=128", "--block_size=64", "--batch_size=4",
                     "--gradient_accumulation_steps=1", "--vocab_size=211"}});
    // It came to no check at all, as under a tight ulimit: that says nothing of the kernels.
    for (const CheckResult& check : report.checks)
      if (check.check == kCheckDevice && check.bad()) return std::nullopt;
    return report;
  } catch (const IoError&) {
    return std::nullopt;
  }
}

DoctorFacts machine_facts(const TrainConfig& config) {
  DoctorFacts facts;
  facts.program = version_details();
  facts.libraries = library_versions();
  facts.device = device_facts();
  facts.gpu = gpu_presence();

  utsname name{};
  uname(&name);
  facts.system = value_in("/etc/os-release", "PRETTY_NAME", '=');
  facts.kernel = concat(name.sysname, " ", name.release, " ", name.machine);
  facts.libc = concat("glibc ", gnu_get_libc_version());
  facts.cpu_features = cpu_features();
  facts.gemm_backend = gemm_backend_name();
  const c10::Device cpu(c10::kCPU);
  facts.memory = memory_bounds();
  facts.own = DeviceWatch(cpu).read()->own.value_or(0);
  facts.disks = {disk("out_dir", config.io.out_dir), disk("data_dir", config.data.data_dir)};
  if (const auto cache = cache_folder()) facts.disks.push_back(disk("cache", *cache));
  facts.memlock = limit_of(RLIMIT_MEMLOCK);
  facts.open_files = limit_of(RLIMIT_NOFILE);
  std::error_code ignored;
  facts.has_shm = fs::is_directory("/dev/shm", ignored);
  if (facts.has_shm) facts.shm_free = disk("", "/dev/shm").free;
  add_environment(facts);
  facts.launch = launch_text();
  facts.has_nccl = has_nccl();
  facts.interfaces = network_interfaces();
  facts.without_peer_access = cards_without_peer_access();
  return facts;
}

}  // namespace gpt
