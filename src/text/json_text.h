// JSON from a file, with errors that say where.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace gpt {

// InputError: "ORIGIN:LINE: not valid JSON (byte N); ADVICE"; also where it is nested beyond
// reason.
nlohmann::json parse_json(std::string_view text, const std::string& origin,
                          std::string_view advice);

// The value as JSON, in ASCII and short enough for one line.
std::string shown_json(const nlohmann::json& value);

}  // namespace gpt
