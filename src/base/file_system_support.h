// What some file systems do not have, and a run does without.
#pragma once

#include <filesystem>

namespace gpt {

// File systems that do not know a call, or that refuse it for a folder (SMB, 9p, older FUSE, Lustre
// without flock), say one of these. The data are as they were; a disk that fails says another.
bool is_not_supported(int error);

enum class Unsupported { kFileSync, kFolderSync, kLock, kMap };

// What follows from it, with the first path that showed it; once for each in a process.
void warn_unsupported(Unsupported what, const std::filesystem::path& path, int error);

}  // namespace gpt
