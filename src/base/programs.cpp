#include "gpt/base/programs.h"

#include <cstdlib>
#include <string_view>
#include <unistd.h>

namespace gpt {

namespace fs = std::filesystem;

namespace {

bool is_program(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) && access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::optional<fs::path> find_program(const std::string& name) {
  if (name.find('/') != name.npos) {
    std::error_code error;
    const fs::path path = fs::absolute(name, error);
    if (!error && is_program(path)) return path;
    return std::nullopt;
  }
  const char* variable = std::getenv("PATH");
  std::string_view folders = variable ? variable : "/usr/bin:/bin";
  while (!name.empty() && !folders.empty()) {
    const std::size_t end = folders.find(':');
    const fs::path folder = folders.substr(0, end);
    folders = end == folders.npos ? std::string_view() : folders.substr(end + 1);
    if (folder.is_absolute() && is_program(folder / name)) return folder / name;
  }
  return std::nullopt;
}

}  // namespace gpt
