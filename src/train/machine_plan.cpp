#include "gpt/train/machine_plan.h"

#include <algorithm>

#include <ATen/Parallel.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/config/memory_limit.h"
#include "gpt/dataprep/dataset_meta.h"
#include "gpt/device/device.h"
#include "gpt/device/gpu_table.h"
#include "gpt/device/memory.h"
#include "gpt/memory/plan_text.h"

namespace gpt {

namespace {

// A card that the table does not know is ranked as a middling one.
DeviceRates rates_of(const std::string& name) {
  if (find_gpu(name)) return gpu_rates(name);
  DeviceRates rates = gpu_rates("RTX 3060");
  rates.name = name;
  return rates;
}

// `otherwise`: the bytes that there are without memory_limit, by the name of `source`.
MachinePlan machine_plan(const Workload& workload, const TrainConfig& config,
                         const DeviceRates& rates, std::uint64_t total, std::uint64_t otherwise,
                         const char* source) {
  const auto asked = parse_memory_limit(config.memory.memory_limit)->of(total);
  Constraints constraints = constraints_of(config);
  constraints.limit = static_cast<std::int64_t>(asked.value_or(otherwise));
  const Planner planner(workload, constraints, rates);
  return {planner, asked ? "memory_limit" : source, planner.ranked()};
}

}  // namespace

MachinePlan plan_for(const TrainConfig& config, const Compute& compute) {
  const bool cuda = compute.device.is_cuda();
  const DeviceFacts facts = cuda ? device_facts(compute.device.index()) : DeviceFacts{};
  Workload workload = workload_of(config, cuda, at::get_num_threads(), facts.cuda_capability);
  DeviceRates rates = cpu_rates(at::get_num_threads());
  if (cuda) {
    workload.workspace = library_workspace(facts.cuda_capability);
    rates = rates_of(facts.cuda_name);
  }
  // A machine that gives its last page to tensors swaps or kills.
  const std::uint64_t host = free_memory(c10::kCPU) / 10 * 8;
  workload.host_memory = static_cast<std::int64_t>(host);
  return machine_plan(workload, config, rates, total_memory(compute.device),
                      cuda ? free_memory(compute.device) : host,
                      cuda ? "free now" : "four fifths of what is available");
}

MachinePlan plan_run(const TrainConfig& config, const TrainConfig* saved, const Compute& compute) {
  if (!saved) return plan_for(config, compute);
  TrainConfig same = config;
  const auto keep = [](AutoInt& wanted, const AutoInt& before) {
    if (!wanted.value) wanted = before;
  };
  keep(same.data.micro_batch_size, saved->data.micro_batch_size);
  keep(same.data.eval_batch_size, saved->data.eval_batch_size);
  keep(same.model.head_chunk, saved->model.head_chunk);
  if (same.memory.recompute == "auto") same.memory.recompute = saved->memory.recompute;
  if (same.memory.optimizer_offload == "auto")
    same.memory.optimizer_offload = saved->memory.optimizer_offload;
  MachinePlan kept = plan_for(same, compute);
  return kept.ranked.best ? kept : plan_for(config, compute);
}

MachinePlan plan_for_gpu(TrainConfig config, const std::string& gpu) {
  const DeviceRates rates = gpu_rates(gpu);
  const GpuFacts& facts = *find_gpu(gpu);
  settle_vocabulary(config);
  if (config.system.dtype == "auto") config.system.dtype = facts.bf16() ? "bfloat16" : "float16";
  Workload workload = workload_of(config, /*cuda=*/true, /*threads=*/1, facts.capability);
  workload.workspace = library_workspace(facts.capability);
  const auto total = static_cast<std::uint64_t>(facts.gib * (std::uint64_t{1} << 30));
  return machine_plan(workload, config, rates, total, total, "all of the card");
}

void settle_vocabulary(TrainConfig& config) {
  if (config.model.vocab_size.value) return;
  const fs::path folder = config.data.train_files.empty()
                              ? fs::path(config.data.data_dir) / config.data.dataset
                              : fs::path(config.data.train_files).parent_path();
  std::error_code ignored;
  const auto meta = fs::is_directory(folder, ignored) ? read_dataset_meta(folder) : std::nullopt;
  config.model.vocab_size.value = meta ? meta->vocab_size : kGpt2PaddedVocabulary;
}

void adopt_plan(TrainConfig& config, const MachinePlan& planned) {
  if (!planned.ranked.best) {
    const std::string flags = nearest_that_fits(planned.planner);
    throw Error(shortfall_text(planned.planner, planned.ranked) +
                (flags.empty() ? "" : "; this fits: " + flags) +
                "; `gpttrain doctor` shows what takes the memory");
  }
  const Plan& plan = planned.ranked.best->plan;
  config.data.micro_batch_size.value = plan.micro_batch;
  config.data.eval_batch_size.value = plan.eval_batch;
  config.model.head_chunk.value = plan.head_chunk;
  config.memory.recompute = recompute_name(plan.recompute);
  config.memory.optimizer_offload = offload_name(plan.offload);
}

}  // namespace gpt
