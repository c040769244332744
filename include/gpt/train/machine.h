// From the system keys to a device, a type and process-wide switches.
#pragma once

#include <functional>

#include "gpt/config/open_config.h"
#include "gpt/config/train_config.h"
#include "gpt/device/compute.h"
#include "gpt/parallel/process_group.h"

namespace gpt {

// What is to happen when device and type are known, and before a context is opened there.
using BeforeContext = std::function<void(const Compute&)>;

// Resolves device and dtype against this machine, with warnings; writes the resolved values back
// so that they are saved, says them, and sets threads and arithmetic.
// Processes of a group that share a machine share its cores.
Compute set_up_machine(SystemConfig& system, const BeforeContext& before_context = {},
                       const ProcessGroup& group = single_process());
Compute set_up_machine(OpenConfig& open, const BeforeContext& before_context = {});

}  // namespace gpt
