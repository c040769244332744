// How the tests look at what the reader of .py configs finds.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/config/python_reader.h"

#include "support/error_text.h"

namespace gpt::testing {

inline std::optional<Value> defaults(const std::string& name) {
  static const std::map<std::string, Value> kDefaults = {
      {"max_iters", std::int64_t{600000}}, {"dataset", std::string("owt")}, {"compile", true}};
  const auto known = kDefaults.find(name);
  return known == kDefaults.end() ? std::nullopt : std::optional<Value>(known->second);
}

// Knows more keys, so that the values of names can be looked at.
inline std::vector<Setting> parse(std::string_view text) {
  static const std::set<std::string> kMore = {"a", "b",    "c",    "d",          "e",      "k",
                                              "n", "name", "last", "batch_size", "dropout"};
  const Lookup more = [](const std::string& name) {
    const auto known = defaults(name);
    return known || !kMore.contains(name) ? known : Value(std::string("not assigned"));
  };
  return parse_python_config(text, "x.py", more).settings;
}

// The value of an expression as Python would print it in a list: an int has no point, a float one.
inline std::string value_of(const std::string& expression) {
  const Value value = parse("k = " + expression).at(0).value;
  if (const auto* text = std::get_if<std::string>(&value)) return "'" + *text + "'";
  return std::get<std::string>(parse_python_config("k = str(v)", "x.py",
                                                   [&](const auto& name) {
                                                     return name == "str" ? std::nullopt
                                                                          : std::optional(value);
                                                   })
                                   .settings.at(0)
                                   .value);
}

inline std::string error_of(std::string_view text) {
  return error_text([&] { parse(text); });
}

// Without the way out, which ends many errors.
inline std::string short_error_of(std::string_view text) {
  const std::string error = error_of(text);
  return error.substr(0, error.find(", or let a Python"));
}

// What the file leaves under a name that is no key.
inline std::vector<std::string> helpers_of(const std::string& text, bool read) {
  std::vector<std::string> names;
  for (const HelperName& helper : parse_python_config(text, "x.py", defaults).helpers)
    if (helper.read == read) names.push_back(helper.name);
  return names;
}

}  // namespace gpt::testing
