// The curves of runs as text.
#pragma once

#include <string>
#include <vector>

#include "gpt/metrics/run_data.h"

namespace gpt {

struct TerminalStyle {
  std::size_t width = 80, height = 24;  // columns and lines to keep to
  bool colour = false;                  // ANSI colours
  bool braille = true;                  // eight dots a character; else one, in ASCII
  bool logarithmic = false;             // the loss
};

// Nothing but its own colours moves the cursor: names are made safe.
std::string terminal_report(const std::vector<RunData>& runs, const TerminalStyle& style);

}  // namespace gpt
