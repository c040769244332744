// What the facts mean, and what to do next.
#pragma once

#include <string>
#include <vector>

#include "gpt/device/finding.h"

#include "app/doctor_facts.h"

namespace gpt {

const char* level_name(Finding::Level level);

// Problems first: such a run cannot work. `own_pid` does not count among those who hold a card.
std::vector<Finding> verdict(const DoctorFacts& facts, unsigned own_pid);

// The next thing to do, in one line: that of the gravest finding that has one.
std::string next_step(const std::vector<Finding>& findings);

}  // namespace gpt
