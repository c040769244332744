#include "gpt/base/json.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/strings.h"

namespace gpt {

namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;

template <class Json>
Json parse(std::string_view text, const std::string& origin, std::string_view advice,
           bool one_line = false) {
  const std::string after = advice.empty() ? "" : concat("; ", advice);
  const auto bounded = [&](int depth, typename Json::parse_event_t, const Json&) {
    if (depth > kMaxDepth)
      throw InputError(concat(origin, ": nested deeper than ", kMaxDepth, " levels", after));
    return true;
  };
  try {
    return Json::parse(text, bounded);
  } catch (const typename Json::parse_error& error) {
    const std::size_t read = std::min(text.size(), error.byte > 0 ? error.byte - 1 : 0);
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(read), '\n');
    throw InputError(concat(origin, one_line ? "" : concat(":", line), ": not valid JSON (byte ",
                            read, ")", after));
  } catch (const typename Json::out_of_range&) {
    throw InputError(concat(origin, ": holds a number beyond a double's range", after));
  }
}

}  // namespace

json parse_json(std::string_view text, const std::string& origin, std::string_view advice) {
  return parse<json>(text, origin, advice);
}

nlohmann::ordered_json parse_ordered_json(std::string_view text, const std::string& origin,
                                          std::string_view advice) {
  return parse<nlohmann::ordered_json>(text, origin, advice);
}

json parse_json_line(std::string_view line, const std::string& origin, std::string_view advice) {
  return parse<json>(line, origin, advice, /*one_line=*/true);
}

json try_parse_json(std::string_view text) {
  try {
    return parse_json(text, "");
  } catch (const InputError&) {
    return json(json::value_t::discarded);
  }
}

std::string shown_json(const json& value) {
  std::string text = value.dump(-1, ' ', true);
  if (text.size() > 40) text = text.substr(0, 40) + "...";
  return text;
}

}  // namespace gpt
