#include "gpt/base/user_folders.h"

#include <cstdlib>

namespace gpt {

namespace fs = std::filesystem;

std::optional<fs::path> absolute_path_in(const char* variable) {
  const char* value = std::getenv(variable);
  if (!value || !fs::path(value).is_absolute()) return std::nullopt;
  return value;
}

std::optional<fs::path> user_cache_folder() {
  if (const auto cache = absolute_path_in("XDG_CACHE_HOME")) return cache;
  if (const auto home = absolute_path_in("HOME")) return *home / ".cache";
  return std::nullopt;
}

std::optional<fs::path> cache_folder() {
  if (const auto own = absolute_path_in("GPTTRAIN_CACHE")) return own;
  if (const auto cache = user_cache_folder()) return *cache / "gpttrain";
  return std::nullopt;
}

std::optional<fs::path> installed_file(const char* name) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path file = program.parent_path().parent_path() / "share/gpttrain" / name;
  if (!file.is_absolute() || !fs::is_regular_file(file, error)) return std::nullopt;
  return file;
}

std::string no_cache_folder() {
  return "no cache folder is known, as none of GPTTRAIN_CACHE, XDG_CACHE_HOME and HOME is set to "
         "an absolute path; set one of them";
}

}  // namespace gpt
