// The memory plan on its way into a run that continues.
#pragma once

#include <functional>
#include <optional>

#include "gpt/memory/replan.h"
#include "gpt/train/recovery.h"

namespace gpt {

// What Recovery::replan asks: replanned() in terms of a run on `device`.
std::function<std::optional<WorkPlan>(const WorkPlan& failed, int failures)> replanner(
    const Problem& problem, const Fixed& fixed, const DeviceRates& rates, Offload offload,
    const c10::Device& device);

}  // namespace gpt
