// Work that runs out of memory although a plan said that it would fit, and is done again with a
// smaller plan: the one rule of training, evaluation, sampling and scoring.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <c10/core/Device.h>

#include "gpt/config/plan.h"
#include "gpt/device/memory_failure.h"
#include "gpt/model/engine_kind.h"
#include "gpt/parallel/process_group.h"

namespace gpt {

constexpr std::int64_t kSmallestChunk = 64;  // tokens; a smaller head chunk saves nothing

// The next smaller plan of passes over micro_batch sequences of `tokens` each, whatever it costs:
// half the sequences; one at a time, half the head's chunk, down to kSmallestChunk, and in
// training, by the engine `trained_by`, the next level of recompute that it has. Nothing if there
// is none.
std::optional<Plan> halved(const Plan& plan, std::int64_t tokens,
                           std::optional<EngineKind> trained_by = std::nullopt);

// "3 sequence(s) at a time, recompute=none, head_chunk=64".
std::string pass_text(const Plan& plan);

struct MemoryRetry {
  std::string what;  // "iter 7"
  c10::Device device;
  // The plan after `failed`, the `failures`-th in a row; each must be smaller than the one before.
  std::function<std::optional<Plan>(const Plan& failed, int failures)> next;
  std::function<std::string(const Plan& plan)> text;
  // After a failure: undoes what the attempt began and frees what can be made again. `plan` is what
  // comes next, or what failed if nothing is left.
  std::function<void(const Plan& plan)> retreat;
  // Told when there is another attempt.
  std::function<void(const Plan& failed, const Plan& next)> say;
  // If memory runs out in one process of the group, all of them try again.
  ProcessGroup& group = single_process();

  // Runs `work`, which goes by `plan`, until memory suffices; MemoryError if no plan is left.
  // With several processes, what the work does with the group must come after what may fail.
  void run(Plan& plan, const std::function<void()>& work) const;
};

}  // namespace gpt
