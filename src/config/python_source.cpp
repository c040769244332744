#include "python_source.h"

#include <algorithm>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

const char* const kPythonAllowed =
    "a config file may hold `name = expression` with numbers, strings, True, False, None, "
    "arithmetic, comparisons, `a if c else b`, earlier names, str(), int(), float() and "
    "time.time(), and `import time`";

void PythonPlace::fail(const std::string& what) const {
  const std::string_view before = source->text.substr(0, offset);
  std::size_t line = 1;
  std::size_t start = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const bool crlf =
        before[i] == '\r' && i + 1 < source->text.size() && source->text[i + 1] == '\n';
    if (before[i] != '\n' && (before[i] != '\r' || crlf)) continue;
    ++line;
    start = i + 1;
  }
  const std::string_view left = before.substr(start);
  const auto is_first_byte = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; };
  const auto column = 1 + std::count_if(left.begin(), left.end(), is_first_byte);
  throw InputError(concat(source->name, ":", line, ":", column, ": ", what));
}

}  // namespace gpt
