#include "gpt/memory/retry.h"

#include <algorithm>
#include <utility>

#include "gpt/base/strings.h"
#include "gpt/device/memory.h"

namespace gpt {

std::optional<Plan> halved(const Plan& plan, std::int64_t tokens,
                           std::optional<EngineKind> trained_by) {
  Plan next = plan;
  std::int64_t& chunk = next.head_chunk;
  chunk = std::min(chunk, plan.micro_batch * tokens);
  if (plan.micro_batch > 1) {
    next.micro_batch = (plan.micro_batch + 1) / 2;
    chunk = std::min(chunk, next.micro_batch * tokens);
    return next;
  }
  chunk = std::min(chunk, std::max(kSmallestChunk, chunk / 2));
  if (trained_by && plan.recompute != Recompute::kBlock)
    next.recompute =
        recompute_of(*trained_by, kRecomputeLevels[static_cast<std::size_t>(plan.recompute) + 1]);
  if (next == plan) return std::nullopt;
  return next;
}

std::string pass_text(const Plan& plan) {
  return format("%ld sequence(s) at a time, recompute=%s, head_chunk=%ld", plan.micro_batch,
                recompute_name(plan.recompute), plan.head_chunk);
}

namespace {

// Why the work could not be done, in this process or in another one; nothing if it was done.
std::optional<std::string> failure_of(const std::function<void()>& work, ProcessGroup& group) {
  try {
    const auto why = out_of_memory(work);
    if (why) group.report_out_of_memory();
    return why;
  } catch (const OutOfMemoryElsewhere& error) {
    return error.what();
  }
}

}  // namespace

void MemoryRetry::run(Plan& plan, const std::function<void()>& work) const {
  for (int failures = 1;; ++failures) {
    const auto why = failure_of(work, group);
    if (!why) return;
    const auto less = next(plan, failures);
    if (retreat) retreat(less.value_or(plan));
    release_cached_memory(device);
    if (group.any(!less)) throw_memory_error(what, device, text(plan), *why);
    const Plan failed = std::exchange(plan, *less);
    say(failed, plan);
  }
}

}  // namespace gpt
