// The curves of runs as text.
#pragma once

#include <string>
#include <vector>

#include "gpt/metrics/line_plot.h"
#include "gpt/metrics/run_data.h"

namespace gpt {

// Nothing but its own colours moves the cursor: names are made safe.
std::string terminal_report(const std::vector<RunData>& runs, const TerminalStyle& style);

}  // namespace gpt
