// NaN and infinity in tensors on their way into or out of a run.
#pragma once

#include <span>
#include <string>

#include "gpt/formats/safetensors.h"

namespace gpt {

// "" if every floating-point value is finite, else the first tensor that holds NaN or infinity,
// how many of its values are, and how many tensors after it are like it.
std::string non_finite_values(std::span<const TensorView> tensors);

// InputError "WHERE: ..." with that text, and that `--allow_nonfinite=True` takes them all the
// same. Reads every value.
void require_finite(std::span<const TensorView> tensors, const std::string& where);

}  // namespace gpt
