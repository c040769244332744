#include "gpt/parallel/launcher.h"

#include <charconv>
#include <cstdlib>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

#include "process_ancestors.h"

namespace gpt {

namespace {

constexpr int kMostProcesses = 1 << 16;

// Variables that hold numbers.
class Numbers {
 public:
  explicit Numbers(const Environment& environment) : environment_(environment) {}

  std::optional<int> find(const std::string& name, int least, int most) const {
    const auto text = environment_(name);
    if (!text) return std::nullopt;
    int number = 0;
    const char* end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, number);
    if (error != std::errc() || stop != end || number < least || number > most)
      throw InputError(concat(name, "=", *text, ": expected a whole number from ", least, " to ",
                              most, "; a launcher sets it, unset it to train in one process"));
    return number;
  }

  int get(const std::string& name, int least, int most, const char* beside) const {
    const auto number = find(name, least, most);
    if (number) return *number;
    throw InputError(concat(name, " is not set, but ", beside,
                            " is: several processes need both; unset them to train in one"));
  }

  std::optional<std::string> text(const std::string& name) const { return environment_(name); }

 private:
  const Environment& environment_;
};

void check_rank(int rank, int size, const char* rank_name, const char* size_name) {
  if (rank >= size)
    throw InputError(concat(rank_name, "=", rank, ": must be below ", size_name, "=", size,
                            ", since ranks count from 0; the launcher's settings contradict "
                            "each other"));
}

// MASTER_ADDR and MASTER_PORT, which count for every launcher.
void read_address(const Numbers& numbers, LaunchInfo& info) {
  const auto address = numbers.text("MASTER_ADDR");
  const auto port = numbers.find("MASTER_PORT", 1, 65535);
  if (!address) return;
  info.address = *address;
  info.port = port.value_or(29500);
}

LaunchInfo from_torchrun(const Numbers& numbers) {
  LaunchInfo info;
  info.launcher = numbers.text("GPTTRAIN_LAUNCHER").value_or("torchrun");
  info.size = numbers.get("WORLD_SIZE", 1, kMostProcesses, "RANK");
  if (info.size == 1) return {};
  info.rank = numbers.get("RANK", 0, kMostProcesses, "WORLD_SIZE");
  check_rank(info.rank, info.size, "RANK", "WORLD_SIZE");
  info.local_rank = numbers.find("LOCAL_RANK", 0, kMostProcesses);
  read_address(numbers, info);
  if (info.address.empty())
    throw InputError(concat("WORLD_SIZE=", info.size,
                            " without MASTER_ADDR: set MASTER_ADDR and MASTER_PORT to a name of "
                            "rank 0's machine and a free port there, as torchrun does"));
  info.store_is_served = numbers.text("TORCHELASTIC_USE_AGENT_STORE") == "True";
  info.attempt = numbers.text("TORCHELASTIC_RESTART_COUNT").value_or("0");
  return info;
}

// Open MPI and MPICH say how many processes a machine has; more than that are on several machines.
void require_one_machine(const LaunchInfo& info, std::optional<int> local_size,
                         const char* example) {
  if (!info.address.empty() || local_size.value_or(info.size) == info.size) return;
  throw InputError(concat(info.launcher, " has started ", info.size, " processes, ", *local_size,
                          " of them on this machine: on several machines they need an address to "
                          "meet at; start them with ",
                          example, " (a name of rank 0's machine, and a free port there)"));
}

// What the launchers of MPI programs set.
struct MpiNames {
  const char *launcher, *size, *rank, *local_rank, *local_size;
  const char* with_address;  // how to start processes on several machines
};

constexpr MpiNames kOpenMpi{.launcher = "Open MPI",
                            .size = "OMPI_COMM_WORLD_SIZE",
                            .rank = "OMPI_COMM_WORLD_RANK",
                            .local_rank = "OMPI_COMM_WORLD_LOCAL_RANK",
                            .local_size = "OMPI_COMM_WORLD_LOCAL_SIZE",
                            .with_address = "mpirun -x MASTER_ADDR=HOST -x MASTER_PORT=PORT"};
constexpr MpiNames kMpich{.launcher = "MPICH",
                          .size = "PMI_SIZE",
                          .rank = "PMI_RANK",
                          .local_rank = "MPI_LOCALRANKID",
                          .local_size = "MPI_LOCALNRANKS",
                          .with_address = "mpirun -genv MASTER_ADDR HOST -genv MASTER_PORT PORT"};

LaunchInfo from_mpi(const Numbers& numbers, const MpiNames& names) {
  LaunchInfo info;
  info.launcher = names.launcher;
  info.size = numbers.get(names.size, 1, kMostProcesses, names.rank);
  info.rank = numbers.get(names.rank, 0, kMostProcesses, names.size);
  check_rank(info.rank, info.size, names.rank, names.size);
  if (info.size == 1) return {};
  info.local_rank = numbers.find(names.local_rank, 0, kMostProcesses);
  read_address(numbers, info);
  require_one_machine(info, numbers.find(names.local_size, 1, kMostProcesses), names.with_address);
  return info;
}

LaunchInfo from_open_mpi(const Numbers& numbers) {
  LaunchInfo info = from_mpi(numbers, kOpenMpi);
  if (info.size > 1)
    info.job = numbers.text("PMIX_NAMESPACE")
                   .value_or(numbers.text("OMPI_MCA_ess_base_jobid").value_or(ancestor_key("mpi")));
  return info;
}

LaunchInfo from_mpich(const Numbers& numbers) {
  LaunchInfo info = from_mpi(numbers, kMpich);
  if (info.size > 1) info.job = ancestor_key("hydra");
  return info;
}

// Inside a step that srun has started; the shell of an allocation, or `srun --pty bash`, has the
// variables of the allocation and is one process.
bool in_slurm_step(const Numbers& numbers) {
  const auto job_name = numbers.text("SLURM_JOB_NAME");
  return numbers.text("SLURM_STEP_ID") && numbers.text("SLURM_STEP_NUM_TASKS") &&
         numbers.text("SLURM_PROCID") && job_name != "bash" && job_name != "interactive";
}

LaunchInfo from_slurm(const Numbers& numbers) {
  LaunchInfo info;
  info.launcher = "srun";
  info.size = *numbers.find("SLURM_STEP_NUM_TASKS", 1, kMostProcesses);
  info.rank = *numbers.find("SLURM_PROCID", 0, kMostProcesses);
  check_rank(info.rank, info.size, "SLURM_PROCID", "SLURM_STEP_NUM_TASKS");
  if (info.size == 1) return {};
  info.local_rank = numbers.find("SLURM_LOCALID", 0, kMostProcesses);
  info.attempt = numbers.text("SLURM_RESTART_COUNT").value_or("0");
  read_address(numbers, info);
  if (!info.address.empty()) return info;
  const auto of_step = numbers.text("SLURM_STEP_NODELIST");
  const auto nodes = of_step ? of_step : numbers.text("SLURM_JOB_NODELIST");
  if (!nodes)
    throw InputError(
        "SLURM_STEP_NODELIST is not set by this srun: set MASTER_ADDR to the name of the first "
        "node, and MASTER_PORT to a free port there");
  info.address = first_host(*nodes);
  // As other trainers do: jobs that share a node get ports of their own.
  const int job = numbers.find("SLURM_JOB_ID", 0, 2147483647).value_or(0);
  const int step = numbers.find("SLURM_STEP_ID", 0, 2147483647).value_or(0);
  info.port = 15000 + (job + step) % 10000;
  return info;
}

LaunchInfo alone(const Numbers& numbers) {
  LaunchInfo info;
  const auto tasks = numbers.text("SLURM_NTASKS");
  if (tasks && *tasks != "1")
    info.note = concat("SLURM has allocated ", *tasks,
                       " tasks, but this process was not started by srun: it trains alone; "
                       "`srun gpttrain ...` uses them all");
  return info;
}

}  // namespace

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (!value || !*value) return std::nullopt;
  return value;
}

LaunchInfo launch_info(const Environment& environment) {
  const Numbers numbers(environment);
  if (numbers.text("WORLD_SIZE")) return from_torchrun(numbers);
  if (numbers.text(kOpenMpi.size)) return from_open_mpi(numbers);
  // srun may set PMI_RANK and PMI_SIZE as well, for programs of MPICH.
  const bool step = in_slurm_step(numbers);
  const bool hydra = !step || numbers.text(kMpich.local_size);
  if (hydra && numbers.text(kMpich.size) && numbers.text(kMpich.rank)) return from_mpich(numbers);
  if (step) return from_slurm(numbers);
  return alone(numbers);
}

std::string first_host(const std::string& nodes) {
  const auto bad = [&] {
    return InputError("SLURM's list of nodes '" + nodes +
                      "' cannot be read: set MASTER_ADDR to the name of the first node, and "
                      "MASTER_PORT to a free port there");
  };
  std::string host;
  for (std::size_t at = 0; at < nodes.size() && nodes[at] != ','; ++at) {
    if (nodes[at] != '[') {
      host += nodes[at];
      continue;
    }
    const std::size_t close = nodes.find(']', at), end = nodes.find_first_of(",-]", at);
    if (close == std::string::npos || end == at + 1) throw bad();
    host += nodes.substr(at + 1, end - at - 1);
    at = close;
  }
  if (host.empty() || host.find(']') != std::string::npos) throw bad();
  return host;
}

}  // namespace gpt
