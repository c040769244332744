// A file that has no business being large: what describes the data, not the data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace gpt {

// The whole file, like read_file, but never more than `most` bytes of it in memory: a pipe that has
// no end or a file that grows meanwhile is an InputError too, "PATH: ...; expected WHAT of at most
// ...".
std::string read_small_file(const std::filesystem::path& path, std::uint64_t most,
                            const std::string& what);

}  // namespace gpt
