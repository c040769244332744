// Where a user's caches are, and what an installation brings. Only absolute paths count, so that
// nothing is ever looked for in the folder that the program happens to be started in.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace gpt {

// The value of an environment variable that is an absolute path; nothing if it is unset, empty or
// relative (the XDG specification has relative ones ignored).
std::optional<std::filesystem::path> absolute_path_in(const char* variable);

// $XDG_CACHE_HOME, else $HOME/.cache.
std::optional<std::filesystem::path> user_cache_folder();

// Gpttrain's own: $GPTTRAIN_CACHE, else `gpttrain` in the user's.
std::optional<std::filesystem::path> cache_folder();

// A file of that name that the installation brings for all its users: in share/gpttrain of the
// prefix whose bin/ the program is in. Nothing if there is none.
std::optional<std::filesystem::path> installed_file(const char* name);

// For errors where there is no cache folder: why, and what to set.
std::string no_cache_folder();

}  // namespace gpt
