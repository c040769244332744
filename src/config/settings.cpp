#include "gpt/config/settings.h"

#include <cmath>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"
#include "gpt/config/command_line.h"
#include "gpt/config/python_reader.h"

#include "python_lexer.h"

namespace gpt {

namespace {

// Fit for one line of an error: escaped and cut.
std::string quoted(const std::string& text) {
  constexpr std::size_t kShown = 60;
  std::string out = "\"";
  for (const char c : text.substr(0, kShown))
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F
               ? format("\\x%02x", static_cast<unsigned char>(c))
               : std::string(1, c);
  return out + (text.size() > kShown ? "...\"" : "\"");
}

std::string described(const Value& value) {
  struct Words {
    std::string operator()(bool v) const { return v ? "True" : "False"; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return number_text(v); }
    std::string operator()(const std::string& v) const { return "the text " + quoted(v); }
    std::string operator()(std::monostate) const {
      return "None; leave the line out for the default";
    }
  };
  return std::visit(Words{}, value);
}

std::optional<std::int64_t> as_integer(const Value& value) {
  if (const auto* v = std::get_if<std::int64_t>(&value)) return *v;
  const auto* v = std::get_if<double>(&value);
  const bool whole = v && std::abs(*v) <= 0x1p53 && std::floor(*v) == *v;
  return whole ? std::optional(static_cast<std::int64_t>(*v)) : std::nullopt;
}

// Stores `value` where `target` points if the types agree; else says what was expected.
struct Store {
  const Value& value;

  const char* operator()(bool* target) const {
    if (const auto* v = std::get_if<bool>(&value)) return *target = *v, nullptr;
    const auto number = as_integer(value);
    if (number == 0 || number == 1) return *target = number == 1, nullptr;
    return "True or False";
  }
  const char* operator()(std::int64_t* target) const {
    if (const auto v = as_integer(value)) return *target = *v, nullptr;
    return "an integer";
  }
  const char* operator()(double* target) const {
    if (const auto* v = std::get_if<double>(&value); v && std::isfinite(*v))
      return *target = *v, nullptr;
    if (const auto* v = std::get_if<std::int64_t>(&value))
      return *target = static_cast<double>(*v), nullptr;
    return "a finite number";
  }
  const char* operator()(std::string* target) const {
    if (std::holds_alternative<std::monostate>(value)) return target->clear(), nullptr;
    if (const auto* v = std::get_if<std::int64_t>(&value))
      return *target = std::to_string(*v), nullptr;
    if (const auto* v = std::get_if<double>(&value)) return *target = number_text(*v), nullptr;
    const auto* v = std::get_if<std::string>(&value);
    if (!v) return "a text";
    // Saved configs are JSON, and paths end at a NUL.
    if (v->find('\0') != std::string::npos || !is_utf8(*v)) return "a text in UTF-8 without NUL";
    return *target = *v, nullptr;
  }
  const char* operator()(AutoInt* target) const {
    if (const auto v = as_integer(value)) return target->value = *v, nullptr;
    const auto* v = std::get_if<std::string>(&value);
    if (std::holds_alternative<std::monostate>(value) || (v && *v == "auto"))
      return target->value.reset(), nullptr;
    return "auto or an integer";
  }
};

// As Python spells numbers, and with a sign; nothing for any other text.
std::optional<Value> number_in(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  PythonNumber number;
  const bool word = text == "inf" || text == "nan";  // for the error that says "finite"
  if (!word && (text.empty() || text.find_first_of("0123456789.") != 0)) return std::nullopt;
  if (!(word ? text_to_float(text, &number) : read_number(text, &number)).empty())
    return std::nullopt;
  return std::visit([&](auto v) -> Value { return negative ? -v : v; }, number);
}

// A flag's text as the type its key wants; the text itself if it does not read as that.
struct Read {
  const std::string& text;

  Value operator()(const bool*) const {
    std::string word = text;
    for (char& c : word) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    for (const char* yes : {"true", "yes", "on", "1"})
      if (word == yes) return true;
    for (const char* no : {"false", "no", "off", "0"})
      if (word == no) return false;
    return text;
  }
  Value operator()(const std::string*) const { return text; }
  template <class Number>
  Value operator()(const Number*) const {
    return number_in(text).value_or(text);
  }
};

}  // namespace

const Option* Settings::find(std::string_view key) const {
  for (const Option& option : options_)
    if (key == option.key) return &option;
  return nullptr;
}

std::vector<std::string> Settings::meant(std::string_view key) const {
  std::vector<std::string> keys, longer;
  for (const Option& option : options_) {
    keys.emplace_back(option.key);
    if (key.size() >= 3 && keys.back().starts_with(key)) longer.push_back(keys.back());
  }
  for (const auto& [alias, meant] : key_aliases())
    if (key == alias && known(meant)) return {meant};
  if (!longer.empty() && longer.size() <= 4) return longer;
  const std::string nearest = nearest_word(key, keys);
  return nearest.empty() ? std::vector<std::string>() : std::vector{nearest};
}

std::string Settings::suggestion(std::string_view key) const {
  const std::vector<std::string> keys = meant(key);
  return keys.empty() ? "; --help lists all keys" : "; did you mean " + join(keys, " or ") + "?";
}

const Option& Settings::require(const std::string& key, const std::string& origin) const {
  if (const Option* option = find(key)) return *option;
  throw InputError(origin + ": " + key + ": unknown key" + suggestion(key));
}

void Settings::assign(const Setting& setting) {
  const Option& option = require(setting.key, setting.origin);
  if (const char* expected = std::visit(Store{setting.value}, option.value))
    throw InputError(concat(setting.origin, ": ", setting.key, ": expected ", expected, ", got ",
                            described(setting.value)));
  origins_[setting.key] = setting.origin;
}

void Settings::assign_text(const std::string& key, const std::string& text,
                           const std::string& origin) {
  const std::string plain = python_literal(text).value_or(text);
  assign({key, std::visit(Read{plain}, require(key, origin).value), origin});
}

void Settings::check_ranges() const {
  for (const Option& option : options_)
    if (!option.holds())
      throw InputError(
          concat(origin(option.key), ": ", option.key, ": expected ", option.range, ", got ",
                 std::holds_alternative<std::string*>(option.value) ? quoted(value_text(option))
                                                                    : value_text(option)));
}

bool Settings::holds(const std::string& key) const {
  const Option* option = find(key);
  return option && option->holds();
}

std::optional<Value> Settings::current(const std::string& key) const {
  const Option* option = find(key);
  if (!option) return std::nullopt;
  return std::visit(
      [](const auto* value) -> Value {
        if constexpr (std::is_same_v<decltype(value), const AutoInt*>) {
          if (!value->value) return std::string("auto");
          return *value->value;
        } else {
          return *value;
        }
      },
      option->value);
}

std::string Settings::origin(const std::string& key) const {
  const auto found = origins_.find(key);
  return found == origins_.end() ? "default" : found->second;
}

bool Settings::is_flag(const std::string& key) const {
  const Option* option = find(key);
  return option && std::holds_alternative<bool*>(option->value);
}

}  // namespace gpt
