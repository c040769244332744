// Other programs, found without a look into the current folder: a dataset's folder may come from a
// stranger, and hold a `python3`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace gpt {

// The absolute path of an executable file called `name` in the first of PATH's absolute folders
// that has one; relative and empty entries of PATH are passed over, and without a PATH /usr/bin and
// /bin are searched. A name with a slash is a path already, and only made absolute.
std::optional<std::filesystem::path> find_program(const std::string& name);

}  // namespace gpt
