// Which program this is.
#pragma once

#include <string>

namespace gpt {

// "0.1.0"
std::string version();
// Version, LibTorch, compiler and back ends, for bug reports.
std::string version_details();

}  // namespace gpt
