#include "gpt/memory/planner.h"

#include <algorithm>

#include "gpt/kernels/ops/lm_head.h"
#include "gpt/memory/step_table.h"

namespace gpt {

namespace {

// The largest pieces of each number of nearly equal ones: 64 -> 64, 32, 22, 16, 13, ... 1.
std::vector<std::int64_t> even_pieces(std::int64_t whole, std::int64_t most) {
  std::vector<std::int64_t> sizes;
  for (std::int64_t size = std::min(whole, most); size >= 1;) {
    const std::int64_t pieces = (whole + size - 1) / size;
    const std::int64_t even = (whole + pieces - 1) / pieces;
    sizes.push_back(even);
    size = even - 1;
  }
  return sizes;
}

std::vector<std::int64_t> micro_batches(const Workload& workload, const Constraints& constraints) {
  if (constraints.micro_batch) return {std::min(*constraints.micro_batch, workload.effective())};
  // A CPU gains nothing from more than nanoGPT's own pieces; a GPU may join small batches.
  return even_pieces(workload.effective(), workload.cuda
                                               ? workload.effective()
                                               : std::min(workload.batch, workload.effective()));
}

// For the eager engine more than the default only loses caches; the fused one packs the head's
// weight for every chunk again. Measured, 124M: 512 tokens take 7 % off a step of 333, 1024 no
// more.
std::int64_t cpu_head_chunk(const Workload& workload) {
  constexpr std::int64_t kFused = 512;
  const std::int64_t chunk = default_head_chunk(workload.vocab);
  return workload.engine == EngineKind::kCpu ? std::max(chunk, kFused) : chunk;
}

std::vector<std::int64_t> head_chunks(const Workload& workload, const Constraints& constraints,
                                      std::int64_t tokens) {
  const std::int64_t gpu_most = limited_head_chunk(tokens, tokens, workload.vocab);
  if (constraints.head_chunk)
    return {std::min({*constraints.head_chunk, tokens, workload.cuda ? gpu_most : tokens})};
  const std::int64_t most = workload.cuda ? gpu_most : std::min(tokens, cpu_head_chunk(workload));
  constexpr std::int64_t kLeast = 64;
  std::vector<std::int64_t> chunks{most};
  for (std::int64_t chunk = kLeast; chunk < most; chunk *= 2) chunks.push_back(chunk);
  return chunks;
}

// The largest evaluation that does not need more than training does; else the one that needs least.
// What a step recorded stays next to it: then up to a quarter more, where there is memory.
std::int64_t evaluation_batch(const Workload& workload, const Constraints& constraints, Plan plan,
                              std::int64_t train_needs) {
  if (constraints.eval_batch) return std::min(*constraints.eval_batch, workload.evaluated());
  const std::int64_t most =
      workload.graphs
          ? std::max(train_needs, std::min(constraints.limit, train_needs + train_needs / 4))
          : train_needs;
  for (const std::int64_t size : even_pieces(workload.evaluated(), workload.evaluated())) {
    plan.eval_batch = size;
    if (peak_of(evaluation_phases(workload, plan)).live.total() <= most) return size;
  }
  return 1;
}

std::vector<Offload> offload_levels(const Workload& workload, const Constraints& constraints) {
  const Offload most = workload.most_offload();
  if (constraints.offload) return {std::min(*constraints.offload, most)};
  if (!workload.cuda) return {Offload::kOff};  // to the CPU all memory is the host's
  std::vector<Offload> levels(kOffloadLevels.begin(), kOffloadLevels.end());
  std::erase_if(levels, [&](Offload level) {
    if (level == Offload::kOff) return false;
    return level > most || host_bytes(workload, {.offload = level}) > workload.host_memory;
  });
  return levels;
}

// What is fixed, as far as the engine has it; else every level that it has.
std::vector<Recompute> recompute_levels(const Workload& workload, const Constraints& constraints) {
  if (constraints.recompute) return {recompute_of(workload.engine, *constraints.recompute)};
  std::vector<Recompute> levels(kRecomputeLevels.begin(), kRecomputeLevels.end());
  std::erase_if(levels,
                [&](Recompute level) { return recompute_of(workload.engine, level) != level; });
  return levels;
}

// Faster first; of equals, the one that needs less.
bool better(const Estimate& a, const Estimate& b) {
  return a.seconds != b.seconds ? a.seconds < b.seconds : a.needs() < b.needs();
}

bool alike(const Estimate& a, const Estimate& b) {
  return a.plan.recompute == b.plan.recompute && a.plan.offload == b.plan.offload &&
         a.plan.micro_batch == b.plan.micro_batch;
}

}  // namespace

Constraints constraints_of(const TrainConfig& config) {
  Constraints constraints;
  if (config.memory.recompute != "auto")
    constraints.recompute = recompute_level(config.memory.recompute);
  if (config.memory.optimizer_offload != "auto")
    constraints.offload = offload_level(config.memory.optimizer_offload);
  const std::int64_t effective = config.data.batch_size * config.data.gradient_accumulation_steps;
  if (const auto micro = config.data.micro_batch_size.value)
    constraints.micro_batch = std::min(*micro, effective);
  if (const auto eval = config.data.eval_batch_size.value)
    constraints.eval_batch = std::min(*eval, config.data.batch_size);
  constraints.head_chunk = config.model.head_chunk.value;
  return constraints;
}

std::int64_t Estimate::needs() const {
  return std::max({train.live.total(), eval.live.total(), monitor ? monitor->live.total() : 0});
}

namespace {

std::optional<Phase> monitor_peak(const Workload& workload, const Plan& plan) {
  const Phases phases = monitor_phases(workload, plan);
  if (phases.empty()) return std::nullopt;
  return peak_of(phases);
}

}  // namespace

Estimate estimate_of(const Workload& workload, const Plan& plan, const DeviceRates& rates) {
  return {.plan = plan,
          .train = peak_of(step_phases(workload, plan)),
          .eval = peak_of(evaluation_phases(workload, plan)),
          .monitor = monitor_peak(workload, plan),
          .host = host_bytes(workload, plan),
          .seconds = step_seconds(workload, plan, rates)};
}

std::vector<Estimate> Planner::all() const {
  std::vector<Estimate> estimates;
  for (const Recompute level : recompute_levels(workload_, constraints_)) {
    for (const Offload offload : offload_levels(workload_, constraints_)) {
      for (const std::int64_t micro : micro_batches(workload_, constraints_))
        for (const std::int64_t chunk :
             head_chunks(workload_, constraints_, micro * workload_.block)) {
          const Plan plan{.recompute = level,
                          .offload = offload,
                          .micro_batch = micro,
                          .head_chunk = chunk,
                          .eval_batch = 1};
          estimates.push_back(estimate_of(workload_, plan, rates_));
          Estimate& estimate = estimates.back();
          estimate.plan.eval_batch =
              evaluation_batch(workload_, constraints_, plan, estimate.train.live.total());
          estimate.eval = peak_of(evaluation_phases(workload_, estimate.plan));
          estimate.monitor = monitor_peak(workload_, estimate.plan);
        }
    }
  }
  return estimates;
}

std::int64_t Planner::decoder_batch(const Plan& plan) const {
  std::int64_t texts = default_decoder_batch(workload_.block);
  while (texts > 1 &&
         peak_of(decoder_phases(workload_, plan, texts)).live.total() > constraints_.limit)
    texts /= 2;
  return texts;
}

RankedPlans Planner::ranked() const {
  const std::int64_t limit = constraints_.limit;
  std::vector<Estimate> estimates = all();
  std::sort(estimates.begin(), estimates.end(), better);
  RankedPlans ranked;
  ranked.fastest = estimates.front();
  ranked.smallest =
      *std::min_element(estimates.begin(), estimates.end(),
                        [](const Estimate& a, const Estimate& b) { return a.needs() < b.needs(); });
  for (const Estimate& estimate : estimates) {
    if (!ranked.best) {
      if (estimate.needs() <= limit)
        ranked.best = estimate;
      else if (!ranked.with_more || estimate.needs() < ranked.with_more->needs())
        ranked.with_more = estimate;  // faster than all that fit; of those, the cheapest
      continue;
    }
    if (!ranked.runner_up && estimate.needs() <= limit && !alike(estimate, *ranked.best))
      ranked.runner_up = estimate;
    if (!ranked.with_less && estimate.needs() < ranked.best->needs()) ranked.with_less = estimate;
  }
  if (!ranked.best) ranked.with_more.reset();
  return ranked;
}

std::optional<Plan> Planner::next_smaller(const Plan& failed, std::int64_t shortfall,
                                          int failures) const {
  const std::int64_t needed = peak_of(step_phases(workload_, failed)).live.total();
  const std::int64_t share = needed >> std::max(1, 5 - failures);
  Constraints kept = constraints_, freed;
  kept.limit = freed.limit = needed - std::max(share, shortfall);
  kept.offload = freed.offload = failed.offload;
  kept.eval_batch = freed.eval_batch = 1;  // evaluations shrink on their own
  for (const Constraints& constraints : {kept, freed}) {
    const RankedPlans ranked = Planner(workload_, constraints, rates_).ranked();
    if (!ranked.best) continue;
    Plan next = ranked.best->plan;
    next.eval_batch = failed.eval_batch;
    return next;
  }
  return std::nullopt;
}

}  // namespace gpt
