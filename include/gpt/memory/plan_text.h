// A plan in words and numbers for people.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/memory/plan.h"

namespace gpt {

// "micro_batch_size 16 (4 pieces), recompute none, head_chunk 8192, ...".
std::string choice_text(const Problem& problem, const Choice& choice);

// The best plan as a table in MiB by use, for training and evaluation, the runner-up, and what more
// or less memory would change; or, where nothing fits, the shortfall. Ends with a newline.
std::string plan_text(const Problem& problem, const DeviceRates& rates, const PlanChoice& chosen,
                      std::int64_t limit);

// One line for the start of a run.
std::string plan_line(const Problem& problem, const Plan& plan, std::int64_t limit);

// "nothing fits: ...", with what is missing in MiB.
std::string shortfall_text(const Problem& problem, const PlanChoice& chosen, std::int64_t limit);

// What to change, as flags, so that something fits: first keys that were fixed by hand, then a
// shorter block, then a smaller GPT-2. "" if even that does not help.
std::string nearest_that_fits(const Problem& problem, const Fixed& fixed, const DeviceRates& rates,
                              std::int64_t limit);

}  // namespace gpt
