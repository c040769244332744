// JSON from outside, as a tree. Copying, comparing and printing a tree recurse, so one that is
// nested beyond reason is refused, here for all who read JSON.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace gpt {

// InputError: "ORIGIN:LINE: not valid JSON (byte N); ADVICE"; "ORIGIN: ..." where it is nested more
// than 64 levels deep, or holds a number beyond a double's range.
nlohmann::json parse_json(std::string_view text, const std::string& origin,
                          std::string_view advice = "");
// The same with the members in the order of the text.
nlohmann::ordered_json parse_ordered_json(std::string_view text, const std::string& origin,
                                          std::string_view advice = "");
// The same of one line, which `origin` names: "ORIGIN: not valid JSON (byte N); ADVICE".
nlohmann::json parse_json_line(std::string_view line, const std::string& origin,
                               std::string_view advice = "");
// Where those would throw, a value that is_discarded().
nlohmann::json try_parse_json(std::string_view text);

// The value as JSON, in ASCII and short enough for one line.
std::string shown_json(const nlohmann::json& value);

}  // namespace gpt
