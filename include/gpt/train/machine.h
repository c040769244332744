// From the system keys to a device, a type and process-wide switches.
#pragma once

#include "gpt/config/open_config.h"
#include "gpt/config/train_config.h"
#include "gpt/device/compute.h"

namespace gpt {

// Resolves device and dtype against this machine, with warnings; writes the resolved values back
// so that they are saved, says them, and sets threads and arithmetic.
Compute set_up_machine(SystemConfig& system);
Compute set_up_machine(OpenConfig& open);

}  // namespace gpt
