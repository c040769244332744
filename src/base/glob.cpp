#include "gpt/base/glob.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <glob.h>

#include "gpt/base/error.h"

namespace gpt {

namespace {

struct Matches {
  glob_t list{};
  ~Matches() { globfree(&list); }
};

thread_local std::string unreadable;

int note_unreadable(const char* folder, int error) {
  if (error == ENOENT || error == ENOTDIR) return 0;  // `a*/b` where a1 is a file
  unreadable = std::string(folder) + ": cannot list the folder: " + std::strerror(error);
  return 1;
}

// The pattern with what exists as it stands, from its beginning on, taken by the letter: folders
// may have brackets in their names.
std::string with_literal_folders(const std::string& pattern) {
  std::size_t end = 0;
  for (std::size_t slash = pattern.find('/'); slash != pattern.npos;
       slash = pattern.find('/', slash + 1)) {
    std::error_code unknown;
    if (!std::filesystem::exists(pattern.substr(0, slash + 1), unknown)) break;
    end = slash + 1;
  }
  std::string escaped;
  for (const char c : pattern.substr(0, end)) {
    if (c == '*' || c == '?' || c == '[' || c == '\\') escaped += '\\';
    escaped += c;
  }
  return escaped + pattern.substr(end);
}

std::vector<std::filesystem::path> expanded(const std::string& pattern) {
  Matches found;
  const int result = glob(pattern.c_str(), GLOB_NOSORT, note_unreadable, &found.list);
  if (result == GLOB_NOSPACE) throw std::bad_alloc();
  if (result == GLOB_ABORTED) throw InputError(unreadable);
  std::vector<std::filesystem::path> paths;
  if (result == 0) paths.assign(found.list.gl_pathv, found.list.gl_pathv + found.list.gl_pathc);
  // glob's own order follows the locale.
  std::sort(paths.begin(), paths.end(),
            [](const auto& a, const auto& b) { return a.native() < b.native(); });
  return paths;
}

}  // namespace

bool is_pattern(const std::string& name) {
  return name.find_first_of("*?[") != std::string::npos;
}

std::vector<std::filesystem::path> matching_paths(const std::string& pattern) {
  std::error_code unknown;
  if (std::filesystem::exists(pattern, unknown)) return {pattern};
  const std::string literal = with_literal_folders(pattern);
  std::vector<std::filesystem::path> paths = expanded(literal);
  if (paths.empty() && literal != pattern) paths = expanded(pattern);
  return paths;
}

}  // namespace gpt
