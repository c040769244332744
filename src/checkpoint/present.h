#pragma once

#include <filesystem>
#include <system_error>

namespace gpt {

// Whether something has this name, a link that leads nowhere included.
inline bool present(const std::filesystem::path& path) {
  std::error_code absent;
  return std::filesystem::exists(std::filesystem::symlink_status(path, absent));
}

}  // namespace gpt
