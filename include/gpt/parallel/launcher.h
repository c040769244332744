// Which of how many processes this one is, by the environment that its launcher gave it: torchrun
// (or `gpttrain launch`, which sets the same), Open MPI, MPICH, or SLURM's srun.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace gpt {

struct LaunchInfo {
  std::string launcher;  // "torchrun"; "" for a process that runs alone
  int rank = 0, size = 1;
  std::optional<int> local_rank;  // as the launcher counts, if it does
  // Where the processes meet. Without an address they are all on this machine, and meet under the
  // name of their job.
  std::string address;
  int port = 0;
  std::string job;
  bool store_is_served = false;  // by the launcher; else by rank 0
  std::string attempt = "0";     // how often the launcher has restarted the processes
  std::string note;              // what the user should know of it, "" for nothing
};

// Reads a variable of the environment; nothing where it is unset or empty.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
std::optional<std::string> environment_variable(const std::string& name);

// InputError, which quotes it, where the environment contradicts itself or lacks something.
LaunchInfo launch_info(const Environment& environment = environment_variable);

// The first host of SLURM's list of nodes: "gpu05" of "gpu[05-07,12],login". InputError.
std::string first_host(const std::string& nodes);

}  // namespace gpt
