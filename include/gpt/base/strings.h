// Text helpers that std of g++ 12 lacks (it has no <format>).
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace gpt {

// All arguments through operator<<, joined.
template <class... Args>
std::string concat(const Args&... args) {
  std::ostringstream out;
  static_cast<void>((out << ... << args));
  return out.str();
}

// printf into a string.
[[gnu::format(printf, 1, 2)]] std::string format(const char* pattern, ...);

std::string join(const std::vector<std::string>& parts, std::string_view between);

// 1536 -> "1.50 KiB"; binary units, two decimals from KiB up.
std::string human_bytes(std::uint64_t bytes);

// 3725 -> "1h02m", 125 -> "2m05s", 12.3 -> "12s".
std::string human_seconds(double seconds);

// 124439808 -> "124,439,808".
std::string with_commas(std::int64_t value);

// The candidate with the smallest Damerau-Levenshtein distance to `word`, or "" if none is within
// a third of its length (at least 2).
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace gpt
