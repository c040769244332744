#include "gpt/train/recovery.h"

#include <algorithm>
#include <utility>

#include <c10/util/Exception.h>

#include "gpt/base/strings.h"
#include "gpt/kernels/device_memory.h"

namespace gpt {

namespace {

constexpr std::int64_t kSmallestChunk = 64;

// Why `work` ran out of memory; nothing if it did not. The exception is gone when this returns:
// while it lives, it may keep tensors alive.
std::optional<std::string> out_of_memory(const std::function<void()>& work) {
  try {
    work();
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
    const auto* torch = dynamic_cast<const c10::Error*>(&error);
    return torch ? torch->what_without_backtrace() : error.what();
  }
  return std::nullopt;
}

std::string missing(const c10::Device& device) {
  const auto bytes = static_cast<double>(memory_shortfall(device));
  return format("%.1f MiB were missing", bytes / (1 << 20));
}

}  // namespace

std::optional<WorkPlan> smaller(const WorkPlan& plan, bool backward) {
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
    next.engine.recompute = kRecomputeLevels[static_cast<std::size_t>(plan.engine.recompute) + 1];
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
      say_(std::move(say)) {}

void Recovery::run(const std::string& what, WorkPlan& plan, bool backward,
                   const std::function<void()>& work,
                   const std::function<void(const WorkPlan&)>& retreat) {
  while (const auto why = out_of_memory(work)) {
    const auto next = smaller(plan, backward);
    retreat(next.value_or(plan));
    engine_.release_memory();
    release_cached_memory(device_);
    if (!next)
      throw MemoryError(
          concat("out of memory in ", what, ": ", missing(device_), ", and nothing is left ",
                 "to make smaller (", described(plan), "): ", *why,
                 "; `gpttrain plan` shows what fits, `gpttrain doctor` what holds the ", "memory"));
    say_(concat("out of memory in ", what, " (", missing(device_), "); it starts again with ",
                described(*next)));
    plan = *next;
  }
}

bool Recovery::thrashed() {
  const std::int64_t before = std::exchange(flushes_seen_, flushes());
  return flushes_seen_ > before;
}

}  // namespace gpt
