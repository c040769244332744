#include "file_system_support.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

struct Missing {
  const char *what, *consequence;
};
// In the order of Unsupported.
constexpr std::array<Missing, 4> kMissing = {
    {{"does not sync files", "after a power cut the newest ones may be missing"},
     {"does not sync folders", "after a power cut the newest checkpoint may be missing"},
     {"has no locks", "a second run in the same folder would not be noticed"},
     {"does not map files into memory", "they are read whole, and take memory of their size"}}};

}  // namespace

bool is_not_supported(int error) {
  for (const int kind : {EINVAL, ENOTSUP, ENOSYS, ENOLCK, EACCES, EPERM, ENODEV})
    if (error == kind) return true;
  return false;
}

void warn_unsupported(Unsupported what, const std::filesystem::path& path, int error) {
  static std::array<std::atomic<bool>, kMissing.size()> said = {};
  const auto index = static_cast<std::size_t>(what);
  if (said[index].exchange(true)) return;
  log_warning(concat(path.string(), ": this file system ", kMissing[index].what, " (",
                     std::strerror(error), "): ", kMissing[index].consequence));
}

}  // namespace gpt
