// Muon's update next to its plain ATen twin.
#pragma once

#include <cstdint>
#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "gpt/probe/checks.h"

namespace gpt {

// Of a block's matrices in a model of this width, in the type that Muon iterates in on the device
// where a run computes in `type`.
KernelCheck muon_check(const std::string& name, std::int64_t width, const c10::Device& device,
                       c10::ScalarType type);

}  // namespace gpt
