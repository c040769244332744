// After an allocation failed although the plan said it would not: what to continue with.
#pragma once

#include <cstdint>
#include <optional>

#include "gpt/memory/plan.h"

namespace gpt {

// The fastest choice that needs less than `failed` by the shortfall (bytes), and by a sixteenth, an
// eighth, a quarter, then half of it as failures in a row add up: the table is exact, so a failure
// means that somebody else took memory, and nobody knows how much more they will take. The moments
// stay where they are, and so does what is fixed, as long as that leaves a choice. Nothing if no
// choice needs so little.
std::optional<Choice> replanned(const Problem& problem, const Fixed& fixed,
                                const DeviceRates& rates, const Choice& failed,
                                std::int64_t shortfall, int failures);

}  // namespace gpt
