// Diagnostics on stderr, results on stdout. Both take care of a progress line being shown.
// spdlog stays inside log.cpp: its fmt and LibTorch's fmt cannot meet in one file.
#pragma once

#include <string>

namespace gpt {

// Diagnostics. Level from GPTTRAIN_LOG (debug, info, warning, error; default info).
void log_debug(const std::string& text);
void log_info(const std::string& text);
void log_warning(const std::string& text);
void log_error(const std::string& text);

// One line of the program's own output, to stdout, flushed.
void print_line(const std::string& text);

// Output without a newline, for text that appears bit by bit (samples).
void print_text(const std::string& text);

}  // namespace gpt
