// One HTML page about one or several runs, with all that it needs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpt/metrics/run_data.h"

namespace gpt {

// What the page is made of, as JSON. With `watched`, the page asks for it again, and `stamp` says
// which one it has.
std::string report_json(const std::vector<RunData>& runs, bool watched, std::uint64_t stamp);

// The page around such JSON.
std::string report_page(const std::string& json);

}  // namespace gpt
