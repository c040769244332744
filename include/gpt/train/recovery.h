// What happens when memory runs out although the plan said it would not: another process took some.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <c10/core/Device.h>

#include "gpt/device/memory_failure.h"
#include "gpt/model/engine.h"

namespace gpt {

// What can still be made smaller once a run is under way.
struct WorkPlan {
  std::int64_t sequences = 1;  // in one forward pass
  std::int64_t block = 1;      // tokens of each
  EnginePlan engine;
  bool operator==(const WorkPlan&) const = default;
};

// The next smaller plan, whatever it costs: half the sequences; one at a time, the next level of
// recompute that the engine has (`backward` only) and half the head's chunk, down to 64 tokens.
// Nothing if there is none.
std::optional<WorkPlan> smaller(const WorkPlan& plan, bool backward, EngineKind engine);
std::string described(const WorkPlan& plan);

class Recovery {
 public:
  // `say` is told of every out-of-memory that was recovered from.
  Recovery(const c10::Device& device, Engine& engine, std::function<void(const std::string&)> say);

  // Runs `work` until memory suffices. After each failure everything that can be freed is freed and
  // `retreat` called, which undoes what the attempt began and goes on with the plan it is given.
  // `plan` is what `work` runs with. Each plan is smaller than the one before, so that this ends;
  // MemoryError if none is left.
  void run(const std::string& what, WorkPlan& plan, bool backward,
           const std::function<void()>& work, const std::function<void(const WorkPlan&)>& retreat);

  // A smaller plan for training if the last run of `work` succeeded only because the caching
  // allocator flushed its cache: then the plan does not fit although nothing failed, and each flush
  // stops the device. Told once.
  std::optional<WorkPlan> relief(const WorkPlan& plan);

  // The plan after `failed`, the `failures`-th in a row: replan's if there is one, else
  // smaller()'s.
  std::optional<WorkPlan> next(const WorkPlan& failed, bool backward, int failures) const;
  // Chooses for training what is fastest and smaller than `failed`; nothing if it knows none, or no
  // planner is there.
  std::function<std::optional<WorkPlan>(const WorkPlan& failed, int failures)> replan;

  // How often the allocator has flushed; for tests.
  std::function<std::int64_t()> flushes;

 private:
  c10::Device device_;
  Engine& engine_;
  std::function<void(const std::string&)> say_;
  std::int64_t flushes_seen_;  // before the attempt at hand; failed ones flush in any case
};

}  // namespace gpt
