// What happens when memory runs out although the plan said it would not: another process took some.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <c10/core/Device.h>

#include "gpt/memory/planner.h"
#include "gpt/memory/retry.h"
#include "gpt/model/engine.h"

namespace gpt {

class OomRetry {
 public:
  // Of passes over sequences of `tokens` each. `say` is told of every out-of-memory that was
  // recovered from.
  OomRetry(const c10::Device& device, Engine& engine, std::int64_t tokens, ProcessGroup& group,
           std::function<void(const std::string&)> say);

  // Runs `work` until memory suffices. After each failure everything that can be freed is freed and
  // `retreat` called, which undoes what the attempt began and continues with the plan it is given.
  // `plan` is what `work` runs with. Each plan is smaller than the one before, so that this ends;
  // MemoryError if none is left.
  void run(const std::string& what, Plan& plan, bool backward, const std::function<void()>& work,
           const std::function<void(const Plan&)>& retreat);

  // A smaller plan for training if the last run of `work` succeeded only because the caching
  // allocator flushed its cache: then the plan does not fit although nothing failed, and each flush
  // stops the device. Told once.
  std::optional<Plan> under_pressure(const Plan& plan);

  // The plan after `failed`, the `failures`-th in a row: for training the planner's next smaller
  // one if it has one, else halved()'s.
  std::optional<Plan> next(const Plan& failed, bool backward, int failures) const;
  std::optional<Planner> planner;

  // How often the allocator has flushed; for tests.
  std::function<std::int64_t()> flushes;

 private:
  c10::Device device_;
  Engine& engine_;
  std::int64_t tokens_;
  ProcessGroup& group_;
  std::function<void(const std::string&)> say_;
  std::int64_t flushes_seen_;  // before the attempt at hand; failed ones flush in any case
};

}  // namespace gpt
