#include "gpt/train/oom_retry.h"

#include <utility>

#include "gpt/base/strings.h"
#include "gpt/device/memory.h"

namespace gpt {

OomRetry::OomRetry(const c10::Device& device, Engine& engine, std::int64_t tokens,
                   ProcessGroup& group, std::function<void(const std::string&)> say)
    : flushes([device] { return allocation_retries(device); }),
      device_(device),
      engine_(engine),
      tokens_(tokens),
      group_(group),
      say_(std::move(say)),
      flushes_seen_(flushes()) {}

void OomRetry::run(const std::string& what, Plan& plan, bool backward,
                   const std::function<void()>& work,
                   const std::function<void(const Plan&)>& retreat) {
  const MemoryRetry retry{
      .what = what,
      .device = device_,
      .next = [&](const Plan& failed, int failures) { return next(failed, backward, failures); },
      .text = pass_text,
      .retreat =
          [&](const Plan& less) {
            retreat(less);
            engine_.release_memory();
          },
      .say =
          [&](const Plan&, const Plan& less) {
            say_(concat("out of memory in ", what, " (", missing_memory(device_),
                        "); it starts again with ", pass_text(less)));
          },
      .group = group_};
  retry.run(plan, [&] {
    flushes_seen_ = flushes();
    work();
  });
}

std::optional<Plan> OomRetry::next(const Plan& failed, bool backward, int failures) const {
  if (!backward) return halved(failed, tokens_);
  if (planner) {
    const auto shortfall = static_cast<std::int64_t>(memory_shortfall(device_));
    if (auto plan = planner->next_smaller(failed, shortfall, failures)) return plan;
  }
  return halved(failed, tokens_, engine_.kind());
}

std::optional<Plan> OomRetry::under_pressure(const Plan& plan) {
  const std::int64_t before = std::exchange(flushes_seen_, flushes());
  if (flushes_seen_ == before) return std::nullopt;
  const auto less = next(plan, /*backward=*/true, /*failures=*/1);
  if (!less) return std::nullopt;
  say_("memory is so short that the allocator flushed its cache; from here on " + pass_text(*less));
  return less;
}

}  // namespace gpt
