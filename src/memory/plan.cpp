#include "gpt/memory/plan.h"

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

std::vector<std::int64_t> micro_batches(const Problem& problem, const Fixed& fixed) {
  if (fixed.micro_batch) return {*fixed.micro_batch};
  // A CPU gains nothing from more than nanoGPT's own pieces; a GPU may join small batches.
  return even_pieces(problem.effective(), problem.cuda ? problem.effective() : problem.batch);
}

// For the eager engine more than the default only loses caches; the fused one packs the head's
// weight for every chunk again. Measured, 124M: 512 tokens take 7 % off a step of 333, 1024 no
// more.
std::int64_t cpu_head_chunk(const Problem& problem) {
  constexpr std::int64_t kFused = 512;
  const std::int64_t chunk = default_head_chunk(problem.vocab);
  return problem.engine == EngineKind::kCpu ? std::max(chunk, kFused) : chunk;
}

std::vector<std::int64_t> head_chunks(const Problem& problem, const Fixed& fixed,
                                      std::int64_t tokens) {
  if (fixed.head_chunk) return {std::min(*fixed.head_chunk, tokens)};
  const std::int64_t most = problem.cuda ? tokens : std::min(tokens, cpu_head_chunk(problem));
  constexpr std::int64_t kLeast = 64;
  std::vector<std::int64_t> chunks{most};
  for (std::int64_t chunk = kLeast; chunk < most; chunk *= 2) chunks.push_back(chunk);
  return chunks;
}

// The largest evaluation that does not need more than training does; else the one that needs least.
// What a step recorded stays next to it: then up to a quarter more, where there is memory.
std::int64_t evaluation_batch(const Problem& problem, const Fixed& fixed, Choice choice,
                              std::int64_t train_needs, std::int64_t limit) {
  if (fixed.eval_batch) return *fixed.eval_batch;
  const std::int64_t most =
      problem.graphs ? std::max(train_needs, std::min(limit, train_needs + train_needs / 4))
                     : train_needs;
  for (const std::int64_t size : even_pieces(problem.batch, problem.batch)) {
    choice.eval_batch = size;
    if (peak_of(evaluation_phases(problem, choice)).live.total() <= most) return size;
  }
  return 1;
}

std::vector<Offload> offload_levels(const Problem& problem, const Fixed& fixed) {
  const Offload most = problem.most_offload();
  if (fixed.offload) return {std::min(*fixed.offload, most)};
  if (!problem.cuda) return {Offload::kOff};  // to the CPU all memory is the host's
  std::vector<Offload> levels(kOffloadLevels.begin(), kOffloadLevels.end());
  std::erase_if(levels, [&](Offload level) {
    return level > most || host_bytes(problem, {.offload = level}) > problem.host_memory;
  });
  return levels;
}

// What is fixed, as far as the engine has it; else every level that it has.
std::vector<Recompute> recompute_levels(const Problem& problem, const Fixed& fixed) {
  if (fixed.recompute) return {recompute_of(problem.engine, *fixed.recompute)};
  std::vector<Recompute> levels(kRecomputeLevels.begin(), kRecomputeLevels.end());
  std::erase_if(levels,
                [&](Recompute level) { return recompute_of(problem.engine, level) != level; });
  return levels;
}

std::vector<Plan> all_plans(const Problem& problem, const Fixed& fixed, const DeviceRates& rates,
                            std::int64_t limit) {
  std::vector<Plan> plans;
  for (const Recompute level : recompute_levels(problem, fixed)) {
    for (const Offload offload : offload_levels(problem, fixed)) {
      for (const std::int64_t micro : micro_batches(problem, fixed))
        for (const std::int64_t chunk : head_chunks(problem, fixed, micro * problem.block)) {
          const Choice choice{.recompute = level,
                              .offload = offload,
                              .micro_batch = micro,
                              .head_chunk = chunk,
                              .eval_batch = 1};
          plans.push_back(plan_of(problem, choice, rates));
          Plan& plan = plans.back();
          plan.choice.eval_batch =
              evaluation_batch(problem, fixed, choice, plan.train.live.total(), limit);
          plan.eval = peak_of(evaluation_phases(problem, plan.choice));
        }
    }
  }
  return plans;
}

// Faster first; of equals, the one that needs less.
bool better(const Plan& a, const Plan& b) {
  return a.seconds != b.seconds ? a.seconds < b.seconds : a.needs() < b.needs();
}

bool alike(const Plan& a, const Plan& b) {
  return a.choice.recompute == b.choice.recompute && a.choice.offload == b.choice.offload &&
         a.choice.micro_batch == b.choice.micro_batch;
}

}  // namespace

std::int64_t Plan::needs() const {
  return std::max(train.live.total(), eval.live.total());
}

Plan plan_of(const Problem& problem, const Choice& choice, const DeviceRates& rates) {
  return {.choice = choice,
          .train = peak_of(step_phases(problem, choice)),
          .eval = peak_of(evaluation_phases(problem, choice)),
          .host = host_bytes(problem, choice),
          .seconds = step_seconds(problem, choice, rates)};
}

PlanChoice choose_plan(const Problem& problem, const Fixed& fixed, const DeviceRates& rates,
                       std::int64_t limit) {
  std::vector<Plan> plans = all_plans(problem, fixed, rates, limit);
  std::sort(plans.begin(), plans.end(), better);
  PlanChoice chosen;
  chosen.fastest = plans.front();
  chosen.smallest = *std::min_element(plans.begin(), plans.end(), [](const Plan& a, const Plan& b) {
    return a.needs() < b.needs();
  });
  for (const Plan& plan : plans) {
    if (!chosen.best) {
      if (plan.needs() <= limit)
        chosen.best = plan;
      else if (!chosen.with_more || plan.needs() < chosen.with_more->needs())
        chosen.with_more = plan;  // faster than all that fit; of those, the cheapest
      continue;
    }
    if (!chosen.runner_up && plan.needs() <= limit && !alike(plan, *chosen.best))
      chosen.runner_up = plan;
    if (!chosen.with_less && plan.needs() < chosen.best->needs()) chosen.with_less = plan;
  }
  if (!chosen.best) chosen.with_more.reset();
  return chosen;
}

}  // namespace gpt
