// One value that somebody gave to one key, and where.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

namespace gpt {

using Value = std::variant<bool, std::int64_t, double, std::string>;

struct Setting {
  std::string key;
  Value value;
  std::string origin;  // "configs/x.py:12"
};

}  // namespace gpt
