// Which program this is.
#pragma once

#include <string>

namespace gpt {

// "0.1.0"
std::string version();

}  // namespace gpt
