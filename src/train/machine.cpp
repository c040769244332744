#include "gpt/train/machine.h"

#include <algorithm>

#include <ATen/Parallel.h>

#include "gpt/base/error.h"
#include "gpt/base/log.h"
#include "gpt/base/machine_limits.h"
#include "gpt/base/strings.h"
#include "gpt/base/thread.h"
#include "gpt/base/version.h"
#include "gpt/config/resolve.h"
#include "gpt/device/compute.h"
#include "gpt/device/cpu_memory.h"
#include "gpt/device/device.h"
#include "gpt/device/gpu_presence.h"

namespace gpt {

namespace {

// OpenMP ends the process where one of its threads does not start: so whether they can is tried
// first, and they start at once, before anything else takes the space for their stacks.
void start_computing_threads(int count) {
  expect_threads(count - 1, "computing");
  at::set_num_threads(count);
  at::parallel_for(0, count, /*grain_size=*/1, [](std::int64_t, std::int64_t) {});
}

// The driver's library and the bus are asked only where CUDA finds no card.
std::string unusable_gpu(const DeviceFacts& facts) {
  return why_gpu_is_unusable(facts.cuda_devices == 0 ? gpu_presence() : GpuPresence{}, facts);
}

// OMP_NUM_THREADS and SLURM_CPUS_PER_TASK are meant for one process; cores and quotas are shared.
int threads_of(const DeviceFacts& facts, const ProcessGroup& group) {
  if (facts.cores_limit == "OMP_NUM_THREADS" || facts.cores_limit == "SLURM_CPUS_PER_TASK")
    return facts.cores;
  constexpr double kRounding = 1e-6;
  return std::max(1, static_cast<int>(facts.cores * group.core_share() + kRounding));
}

// Every process of a machine has a card of its own; where each sees one alone, that.
void choose_card(std::string& device, const ProcessGroup& group) {
  if (group.size() == 1 || device != "cuda") return;
  const int cards = device_facts().cuda_devices;
  if (cards == 0) return;
  if (group.local_rank() >= cards && cards > 1)
    throw InputError(concat(group.name(group.rank()), ": its local rank is ", group.local_rank(),
                            ", but this machine has ", cards,
                            " cards; start at most one process for each card"));
  device = concat("cuda:", cards == 1 ? 0 : group.local_rank());
}

Compute set_up_machine(std::string& device, std::string& dtype, const AutoInt& threads,
                       bool deterministic, const BeforeContext& before_context,
                       const ProcessGroup& group) {
  choose_card(device, group);
  install_cpu_memory();
  const bool indexed = device.starts_with("cuda:");
  const DeviceFacts facts = device_facts(indexed ? std::stoi(device.substr(5)) : 0);
  const Resolved resolved = resolve(device, dtype,
                                    {.cuda_devices = facts.cuda_devices,
                                     .built_with_cuda = facts.built_with_cuda,
                                     .cuda_bf16 = facts.cuda_bf16(),
                                     .cpu_bf16 = facts.cpu_bf16,
                                     .unusable_gpu = device == "cpu" ? "" : unusable_gpu(facts)});
  for (const std::string& warning : resolved.warnings) log_warning(warning);
  device = resolved.device;
  dtype = resolved.dtype;
  start_computing_threads(static_cast<int>(threads.or_else(threads_of(facts, group))));
  set_arithmetic(deterministic);
  const Compute compute{c10::Device(device), scalar_type(dtype)};
  if (before_context) before_context(compute);
  use_device(compute.device);
  log_info(concat("gpttrain ", version(), ": ", device, " (",
                  compute.device.is_cuda() ? facts.cuda_name : facts.cpu_name, "), ", dtype, ", ",
                  at::get_num_threads(), " thread(s)",
                  threads.value || facts.cores_limit.empty() ? "" : ", by ",
                  threads.value ? "" : facts.cores_limit));
  const std::vector<MemoryBound> bounds = memory_bounds();
  if (const MemoryBound& least = tightest(bounds); !least.name.empty())
    log_info("memory of the machine: " + memory_text(least));
  return compute;
}

}  // namespace

Compute set_up_machine(SystemConfig& system, const BeforeContext& before_context,
                       const ProcessGroup& group) {
  return set_up_machine(system.device, system.dtype, system.threads, system.deterministic,
                        before_context, group);
}

Compute set_up_machine(OpenConfig& open, const BeforeContext& before_context) {
  return set_up_machine(open.device, open.dtype, open.threads, /*deterministic=*/false,
                        before_context, single_process());
}

}  // namespace gpt
