#include "gpt/train/machine_plan.h"

#include <algorithm>

#include <ATen/Parallel.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"
#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/memory_limit.h"
#include "gpt/dataprep/dataset_meta.h"
#include "gpt/device/device.h"
#include "gpt/device/gpu_table.h"
#include "gpt/device/host_memory.h"
#include "gpt/device/memory.h"
#include "gpt/device/watch.h"
#include "gpt/memory/card_budget.h"
#include "gpt/memory/plan_text.h"
#include "gpt/memory/step_table.h"
#include "gpt/train/dataset.h"

namespace gpt {

namespace {

// A card that the table does not know is ranked as a middling one.
DeviceRates rates_of(const std::string& name) {
  if (find_gpu(name)) return gpu_rates(name);
  DeviceRates rates = gpu_rates("RTX 3060");
  rates.name = name;
  return rates;
}

// What there is for a plan, in bytes.
struct Budget {
  std::uint64_t total = 0;
  std::uint64_t limit = 0;            // without memory_limit
  std::optional<std::uint64_t> most;  // beyond: the process is killed, whatever memory_limit says
  std::string source;                 // of limit
  bool held = false;                  // without memory_limit, too, tensors get no more
};

MachinePlan machine_plan(const Workload& workload, const TrainConfig& config,
                         const DeviceRates& rates, const Budget& budget) {
  auto asked = parse_memory_limit(config.memory.memory_limit)->of(budget.total);
  const bool beyond = asked && budget.most && *asked > *budget.most;
  if (beyond) asked = budget.most;
  Constraints constraints = constraints_of(config);
  constraints.limit = static_cast<std::int64_t>(asked.value_or(budget.limit));
  const Planner planner(workload, constraints, rates);
  // CUDA's context is outside of what the allocator can hold to a limit.
  const auto context = static_cast<std::uint64_t>(workload.cuda ? kCudaContext : 0);
  const std::uint64_t most = asked.value_or(budget.most.value_or(budget.held ? budget.limit : 0));
  return {.planner = planner,
          .limit_source = beyond  ? "memory_limit, cut to what is left"
                          : asked ? "memory_limit"
                                  : budget.source,
          .ranked = planner.ranked(),
          .most_tensors = most - std::min(most, context)};
}

Budget card_of(const c10::Device& device) {
  const CardMemory card{
      .total = total_memory(device), .free = free_memory(device), .cached = memory_use(device).now};
  const CardBudget budget = card_budget(card, DeviceWatch(device).read());
  return {.total = card.total,
          .limit = budget.limit,
          .most = {},
          .source = budget.source,
          .held = budget.kept > 0};
}

// Processes that share a machine share its memory.
HostMemory share_of(HostMemory host, int processes) {
  if (processes == 1) return host;
  host.plan /= static_cast<std::uint64_t>(processes);
  if (host.most) *host.most /= static_cast<std::uint64_t>(processes);
  host.source += concat(", shared by ", processes, " processes");
  return host;
}

}  // namespace

MachinePlan plan_for(const TrainConfig& config, const Compute& compute, const ProcessGroup& group) {
  const bool cuda = compute.device.is_cuda();
  const DeviceFacts facts = cuda ? device_facts(compute.device.index()) : DeviceFacts{};
  Workload workload =
      workload_of(config, cuda, at::get_num_threads(), facts.cuda_capability, group.size());
  DeviceRates rates = cpu_rates(at::get_num_threads());
  if (cuda) {
    workload.workspace = library_workspace(facts.cuda_capability);
    rates = rates_of(facts.cuda_name);
  }
  const HostMemory host = share_of(host_memory(), group.local_size());
  workload.host_memory = static_cast<std::int64_t>(host.plan);
  if (cuda) return machine_plan(workload, config, rates, card_of(compute.device));
  return machine_plan(workload, config, rates,
                      {.total = total_memory(compute.device),
                       .limit = host.plan,
                       .most = host.most,
                       .source = host.source});
}

MachinePlan plan_run(const TrainConfig& config, const TrainConfig* saved, const Compute& compute,
                     const ProcessGroup& group) {
  if (!saved) return plan_for(config, compute, group);
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
  MachinePlan kept = plan_for(same, compute, group);
  return kept.ranked.best ? kept : plan_for(config, compute, group);
}

MachinePlan plan_for_gpu(TrainConfig config, const std::string& gpu, std::int64_t processes) {
  const GpuFacts facts = planned_gpu(gpu);
  const DeviceRates rates = gpu_rates(facts);
  if (facts.too_old())
    log_warning(
        format("%s has compute capability %d.%d, too old for CUDA 13, which needs 7.5 (GTX "
               "16, RTX 20, T4 or newer): this is the plan that it would have, and "
               "--device=cpu trains on its machine",
               facts.name, facts.capability / 10, facts.capability % 10));
  settle_vocabulary(config);
  if (config.system.dtype == "auto") config.system.dtype = facts.bf16() ? "bfloat16" : "float16";
  Workload workload =
      workload_of(config, /*cuda=*/true, /*threads=*/1, facts.capability, processes);
  workload.workspace = library_workspace(facts.capability);
  const auto total = static_cast<std::uint64_t>(facts.gib * (std::uint64_t{1} << 30));
  return machine_plan(workload, config, rates,
                      {.total = total, .limit = total, .most = {}, .source = "all of the card"});
}

void settle_vocabulary(TrainConfig& config) {
  if (config.model.vocab_size.value) return;
  const fs::path folder = meta_folder(config.data);
  std::error_code ignored;
  const auto meta = fs::is_directory(folder, ignored) ? read_dataset_meta(folder) : std::nullopt;
  config.model.vocab_size.value = meta ? meta->vocab_size : kGpt2PaddedVocabulary;
}

void adopt_plan(TrainConfig& config, const MachinePlan& planned) {
  if (!planned.ranked.best) {
    const std::string flags = nearest_that_fits(planned.planner);
    throw Error(shortfall_text(planned.planner, planned.ranked) +
                (flags.empty() ? "; raise the limit, or make the model or block_size smaller"
                               : "; this fits: " + flags) +
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
