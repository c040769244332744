// Values on their way into a config: checked for their type when they come, for their range when
// all have come, each error naming where the value that won was given.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "gpt/config/option.h"

namespace gpt {

// Bytes of a config file; people write a few thousand.
inline constexpr std::uint64_t kLargestConfig = 1 << 20;

// monostate: a config file's None or null.
using Value = std::variant<bool, std::int64_t, double, std::string, std::monostate>;

// One value that somebody gave to one key, and where.
struct Setting {
  std::string key;
  Value value;
  std::string origin;  // "configs/x.py:12"
};

class Settings {
 public:
  explicit Settings(std::vector<Option> options) : options_(std::move(options)) {}

  // Later wins. InputError: unknown key (with the nearest one), wrong type. Numbers stand for one
  // another where nothing is lost (1e3 for an integer, 1 for True), and for a text as written; None
  // is auto, or the empty text.
  void assign(const Setting& setting);
  // The same from a flag's text: "True", "off", "1_000", "1e-3", "auto", with the quotes that a
  // shell has left around it; text stays text.
  void assign_text(const std::string& key, const std::string& text, const std::string& origin);
  // InputError for the first value out of range.
  void check_ranges() const;

  // What a name in a .py file stands for.
  std::optional<Value> current(const std::string& key) const;
  // Where the value was given; "default" if nowhere.
  std::string origin(const std::string& key) const;
  bool is_flag(const std::string& key) const;  // a bool, which may stand without a value
  bool known(const std::string& key) const { return find(key) != nullptr; }
  const std::vector<Option>& options() const { return options_; }
  // Is the key's value in range now?
  bool holds(const std::string& key) const;
  // The keys that `key` may stand for: that of which it is another name, those that begin with it,
  // else the nearest one.
  std::vector<std::string> meant(std::string_view key) const;
  // "; did you mean learning_rate?"
  std::string suggestion(std::string_view key) const;

 private:
  const Option* find(std::string_view key) const;
  const Option& require(const std::string& key, const std::string& origin) const;

  std::vector<Option> options_;
  std::map<std::string, std::string> origins_;
};

}  // namespace gpt
