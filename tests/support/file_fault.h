// A fault hook for the time that this object lives.
#pragma once

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

}  // namespace gpt::testing
