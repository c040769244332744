// Which program this is.
#pragma once

#include <string>

namespace gpt {

// "0.1.0"
std::string version();

// The commit that was built, shortened; "" where it was not built in a git checkout.
std::string commit();

}  // namespace gpt
