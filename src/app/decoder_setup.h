// The model of `sample` and `eval` on its device, within memory_limit.
#pragma once

#include <memory>
#include <string>

#include "gpt/device/compute.h"
#include "gpt/sampling/decoder.h"

#include "app/open_model.h"

namespace gpt {

// Counts the CPU's tensors from here on, if there is a limit; before the model is opened.
void expect_memory_limit(const std::string& memory_limit);

// Device and type, with what may be used of a GPU settled (train/probe_setup.h).
Compute set_up_device(OpenConfig& open, const OpenModel& model);

// Takes the weights out of `model`. MemoryError if they do not fit.
std::unique_ptr<Decoder> set_up_decoder(OpenModel& model, const Compute& compute,
                                        const std::string& memory_limit);

}  // namespace gpt
