// The text of a .py config file, and places in it that errors point to.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gpt {

inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

struct PythonSource {
  std::string_view text;
  std::string_view name;  // as errors show it
};

// Outlives neither the source nor its text.
struct PythonPlace {
  const PythonSource* source;
  std::size_t offset;  // bytes from the start

  // Throws InputError "NAME:LINE:COLUMN: what"; columns count characters from 1.
  [[noreturn]] void fail(const std::string& what) const;
};

// The end of an error about something that is Python, but not for config files.
extern const char* const kPythonAllowed;

}  // namespace gpt
