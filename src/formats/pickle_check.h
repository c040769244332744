// What must hold for a finished tree, whose parts refer to each other freely while it is read.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/formats/pickle_value.h"

namespace gpt {

// "" if no value contains itself, none nests deeper than `depth`, and no dict has a text or integer
// key twice; else what is wrong. Objects are not looked into: those of a program may well refer to
// each other in circles, so that who walks through objects has to count his steps.
std::string tree_problem(const PickleValue& root, std::uint64_t depth);

}  // namespace gpt
