// A plan in words and numbers for people.
#pragma once

#include <string>

#include "gpt/memory/planner.h"

namespace gpt {

// "micro_batch_size 16 (4 pieces), recompute none, head_chunk 8192, ...".
std::string plan_words(const Workload& workload, const Plan& plan);

// The best plan as a table in MiB by use, for training and evaluation, the runner-up, and what more
// or less memory would change; or, where nothing fits, the shortfall. Ends with a newline.
std::string plan_text(const Planner& planner, const RankedPlans& ranked);

// One line for the start of a run.
std::string plan_line(const Planner& planner, const Estimate& estimate);

// "nothing fits: ...", with what is missing in MiB.
std::string shortfall_text(const Planner& planner, const RankedPlans& ranked);

// What to change, as flags, so that something fits: first keys that were fixed by hand, then a
// shorter block, then a smaller GPT-2. "" if even that does not help.
std::string nearest_that_fits(const Planner& planner);

}  // namespace gpt
