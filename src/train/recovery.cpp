#include "gpt/train/recovery.h"

#include <algorithm>
#include <utility>

#include "gpt/base/strings.h"
#include "gpt/device/memory.h"

namespace gpt {

namespace {

constexpr std::int64_t kSmallestChunk = 64;

}  // namespace

std::optional<WorkPlan> smaller(const WorkPlan& plan, bool backward, EngineKind engine) {
  WorkPlan next = plan;
  std::int64_t& chunk = next.engine.head_chunk;
  chunk = std::min(chunk, plan.sequences * plan.block);
  if (plan.sequences > 1) {
    next.sequences = (plan.sequences + 1) / 2;
    chunk = std::min(chunk, next.sequences * plan.block);
    return next;
  }
  chunk = std::min(chunk, std::max(kSmallestChunk, chunk / 2));
  if (backward && plan.engine.recompute != Recompute::kBlock)
    next.engine.recompute =
        recompute_of(engine, kRecomputeLevels[static_cast<std::size_t>(plan.engine.recompute) + 1]);
  if (next.engine == plan.engine) return std::nullopt;
  return next;
}

std::string described(const WorkPlan& plan) {
  return format("%ld sequence(s) at a time, recompute=%s, head_chunk=%ld", plan.sequences,
                recompute_name(plan.engine.recompute), plan.engine.head_chunk);
}

Recovery::Recovery(const c10::Device& device, Engine& engine,
                   std::function<void(const std::string&)> say)
    : flushes([device] { return allocation_retries(device); }),
      device_(device),
      engine_(engine),
      say_(std::move(say)),
      flushes_seen_(flushes()) {}

void Recovery::run(const std::string& what, WorkPlan& plan, bool backward,
                   const std::function<void()>& work,
                   const std::function<void(const WorkPlan&)>& retreat) {
  for (int failures = 1;; ++failures) {
    flushes_seen_ = flushes();
    const auto why = out_of_memory(work);
    if (!why) return;
    const auto less = next(plan, backward, failures);
    retreat(less.value_or(plan));
    engine_.release_memory();
    release_cached_memory(device_);
    if (!less) throw_memory_error(what, device_, described(plan), *why);
    say_(concat("out of memory in ", what, " (", missing_memory(device_),
                "); it starts again with ", described(*less)));
    plan = *less;
  }
}

std::optional<WorkPlan> Recovery::next(const WorkPlan& failed, bool backward, int failures) const {
  if (backward && replan)
    if (auto plan = replan(failed, failures)) return plan;
  return smaller(failed, backward, engine_.kind());
}

std::optional<WorkPlan> Recovery::relief(const WorkPlan& plan) {
  const std::int64_t before = std::exchange(flushes_seen_, flushes());
  if (flushes_seen_ == before) return std::nullopt;
  const auto less = next(plan, /*backward=*/true, /*failures=*/1);
  if (!less) return std::nullopt;
  say_("memory is so short that the allocator flushed its cache; from here on " + described(*less));
  return less;
}

}  // namespace gpt
