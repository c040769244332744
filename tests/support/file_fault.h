// Disks that fail: a fault hook for the time that an object lives, and the commonest hook.
#pragma once

#include <algorithm>
#include <cerrno>
#include <utility>

#include "gpt/base/files.h"

namespace gpt::testing {

class FileFaultGuard {
 public:
  explicit FileFaultGuard(FileFault fault) { set_file_fault(std::move(fault)); }
  ~FileFaultGuard() { set_file_fault(nullptr); }
  FileFaultGuard(const FileFaultGuard&) = delete;
  FileFaultGuard& operator=(const FileFaultGuard&) = delete;
};

// A disk that takes `space` more bytes, then none; one that does not truncate keeps half a line.
inline FileFault full_after(std::size_t space, bool truncates = true) {
  return [space, truncates](std::string_view call, const fs::path&, std::size_t* length) mutable {
    if (call == "ftruncate") return truncates ? 0 : EIO;
    if (call != "write") return 0;
    if (space == 0) return ENOSPC;
    *length = std::min(*length, space);
    space -= *length;
    return 0;
  };
}

}  // namespace gpt::testing
