// One value that somebody gave to one key, and where.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace gpt {

// Bytes of a config file; people write a few thousand.
inline constexpr std::uint64_t kLargestConfig = 1 << 20;

using Value = std::variant<bool, std::int64_t, double, std::string>;

struct Setting {
  std::string key;
  Value value;
  std::string origin;  // "configs/x.py:12"
};

}  // namespace gpt
