// The processes above this one: those that one launcher has started have it in common.
#pragma once

#include <string>

namespace gpt {

// Identifies the nearest process above this one whose name contains `part`, or else the parent:
// number and time of its start.
std::string ancestor_key(const std::string& part);

}  // namespace gpt
