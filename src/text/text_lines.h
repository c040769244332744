// The lines of a text, as files of both systems end them.
#pragma once

#include <cstdint>
#include <string_view>

namespace gpt {

// Calls use(line, number) for every line that is not empty, counted from 1.
template <class Use>
void for_each_line(std::string_view text, const Use& use) {
  for (std::int64_t number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) use(line, number);
  }
}

}  // namespace gpt
