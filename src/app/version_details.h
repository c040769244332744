// What a bug report needs to know of the program.
#pragma once

#include <string>

namespace gpt {

// Version, LibTorch, compiler and back ends.
std::string version_details();

}  // namespace gpt
