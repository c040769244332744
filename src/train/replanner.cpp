#include "gpt/train/replanner.h"

#include "gpt/device/memory.h"

namespace gpt {

std::function<std::optional<WorkPlan>(const WorkPlan& failed, int failures)> replanner(
    const Problem& problem, const Fixed& fixed, const DeviceRates& rates, Offload offload,
    const c10::Device& device) {
  return [=](const WorkPlan& failed, int failures) -> std::optional<WorkPlan> {
    const Choice choice{.recompute = failed.engine.recompute,
                        .offload = offload,
                        .micro_batch = failed.sequences,
                        .head_chunk = failed.engine.head_chunk};
    const auto less = replanned(problem, fixed, rates, choice,
                                static_cast<std::int64_t>(memory_shortfall(device)), failures);
    if (!less) return std::nullopt;
    return WorkPlan{less->micro_batch, failed.block, {less->recompute, less->head_chunk}};
  };
}

}  // namespace gpt
