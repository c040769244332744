#include "json_text.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

using nlohmann::json;

namespace {

constexpr int kMaxDepth = 64;

}  // namespace

std::string shown_json(const json& value) {
  std::string text = value.dump(-1, ' ', true);
  if (text.size() > 40) text = text.substr(0, 40) + "...";
  return text;
}

json parse_json(std::string_view text, const std::string& origin, std::string_view advice) {
  // Copying, comparing and printing go down recursively.
  const auto bounded = [&](int depth, json::parse_event_t, const json&) {
    if (depth > kMaxDepth)
      throw InputError(concat(origin, ": nested deeper than ", kMaxDepth, " levels; ", advice));
    return true;
  };
  try {
    return json::parse(text, bounded);
  } catch (const json::parse_error& error) {
    const std::size_t read = std::min(text.size(), error.byte > 0 ? error.byte - 1 : 0);
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(read), '\n');
    throw InputError(concat(origin, ":", line, ": not valid JSON (byte ", read, "); ", advice));
  } catch (const json::out_of_range&) {
    throw InputError(concat(origin, ": holds a number beyond a double's range; ", advice));
  }
}

}  // namespace gpt
