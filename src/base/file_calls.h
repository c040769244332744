// Every system call on files: the test's fault hook first, then the call, again after EINTR.
#pragma once

#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "gpt/base/error.h"

namespace gpt {

// The hook's errno, 0 if it has none to give; may shorten *length.
int injected_fault(std::string_view call, const std::filesystem::path& path, std::size_t* length);

// A call in the words of who asked for it.
inline std::string spoken(std::string_view call) {
  return std::string(call == "mkdir" ? "make a folder" : call);
}

// What `run` returns, or IoError if that is negative.
template <class Run>
auto file_call(std::string_view call, const std::filesystem::path& path, const Run& run,
               std::size_t* length = nullptr) {
  if (const int fault = injected_fault(call, path, length); fault != 0)
    throw IoError(path.string(), spoken(call), fault);
  for (;;) {
    const auto result = run();
    if (result >= 0) return result;
    if (errno != EINTR) throw IoError(path.string(), spoken(call), errno);
  }
}

}  // namespace gpt
