// Names with * ? [...] in them, as a shell expands them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace gpt {

// Whether a shell would look for matches.
bool is_pattern(const std::string& name);

// The existing paths that match, sorted by byte (C locale); empty if there are none. A name that
// exists is itself, whatever characters it has, and so are the folders that a pattern begins with.
// InputError if a folder on the way cannot be read.
std::vector<std::filesystem::path> matching_paths(const std::string& pattern);

}  // namespace gpt
