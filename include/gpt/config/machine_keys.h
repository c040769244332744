// Which keys of train say nothing about what a run computes.
#pragma once

#include <string>

namespace gpt {

// How a run fits this machine, and where things lie on it: processes of one run may differ in
// these keys, and a run that is resumed may change them.
bool is_machine_key(const std::string& key);

// What a run shows of itself, and when it saves and stops: a run that is resumed may change them.
bool is_reporting_key(const std::string& key);

}  // namespace gpt
