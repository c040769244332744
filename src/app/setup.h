// From the system keys to a device, a type and process-wide switches.
#pragma once

#include <string>

#include "gpt/config/field.h"
#include "gpt/config/train_config.h"
#include "gpt/kernels/compute.h"

namespace gpt {

// Resolves device and dtype against this machine, with warnings; writes the resolved values back
// so that they are saved, says them, and sets threads and arithmetic.
Compute set_up_machine(SystemConfig& system);
Compute set_up_machine(std::string& device, std::string& dtype, const AutoInt& threads,
                       bool deterministic);

}  // namespace gpt
