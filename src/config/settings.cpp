#include "gpt/config/settings.h"

#include <charconv>
#include <cmath>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"
#include "gpt/base/terminal.h"

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
  };
  return std::visit(Words{}, value);
}

// Stores `value` where `target` points if the types agree; else says what was expected.
struct Store {
  const Value& value;

  const char* operator()(bool* target) const {
    if (const auto* v = std::get_if<bool>(&value)) return *target = *v, nullptr;
    return "True or False";
  }
  const char* operator()(std::int64_t* target) const {
    if (const auto* v = std::get_if<std::int64_t>(&value)) return *target = *v, nullptr;
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
    const auto* v = std::get_if<std::string>(&value);
    if (!v) return "a text";
    // Saved configs are JSON, and paths end at a NUL.
    if (v->find('\0') != std::string::npos || !is_utf8(*v)) return "a text in UTF-8 without NUL";
    return *target = *v, nullptr;
  }
  const char* operator()(AutoInt* target) const {
    if (const auto* v = std::get_if<std::int64_t>(&value)) return target->value = *v, nullptr;
    if (const auto* v = std::get_if<std::string>(&value); v && *v == "auto")
      return target->value.reset(), nullptr;
    return "auto or an integer";
  }
};

template <class Number>
std::optional<Number> parse(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// A flag's text as the type its key wants; the text itself if it does not read as that.
struct Read {
  const std::string& text;

  Value operator()(const bool*) const {
    if (text == "True" || text == "true" || text == "1") return true;
    if (text == "False" || text == "false" || text == "0") return false;
    return text;
  }
  Value operator()(const std::int64_t*) const {
    if (const auto number = parse<std::int64_t>(text)) return *number;
    return text;
  }
  Value operator()(const double*) const {
    if (const auto number = parse<double>(text)) return *number;
    return text;
  }
  Value operator()(const std::string*) const { return text; }
  Value operator()(const AutoInt*) const {
    if (const auto number = parse<std::int64_t>(text)) return *number;
    return text;
  }
};

}  // namespace

const Option* Settings::find(std::string_view key) const {
  for (const Option& option : options_)
    if (key == option.key) return &option;
  return nullptr;
}

std::string Settings::suggestion(std::string_view key) const {
  std::vector<std::string> keys;
  for (const Option& option : options_) keys.emplace_back(option.key);
  const std::string nearest = nearest_word(key, keys);
  return nearest.empty() ? "; --help lists all keys" : "; did you mean " + nearest + "?";
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
  assign({key, std::visit(Read{text}, require(key, origin).value), origin});
}

void Settings::check_ranges() const {
  for (const Option& option : options_)
    if (!option.holds())
      throw InputError(
          concat(origin(option.key), ": ", option.key, ": expected ", option.range, ", got ",
                 std::holds_alternative<std::string*>(option.value) ? quoted(value_text(option))
                                                                    : value_text(option)));
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
