// Diagnostics on stderr, results on stdout. Both take care of a progress line being shown.
// What comes from files and names cannot steer the terminal: controls are shown as terminal_safe
// shows them. spdlog stays inside log.cpp: its fmt and LibTorch's fmt cannot meet in one file.
#pragma once

#include <string>

namespace gpt {

// Diagnostics. Level from GPTTRAIN_LOG (debug, info, warning, error; default info).
void log_debug(const std::string& text);
void log_info(const std::string& text);
void log_warning(const std::string& text);
void log_error(const std::string& text);

// One line of the program's own output, to stdout, flushed; a newline inside is shown as a control.
// What cannot be written is said once, as a warning.
void print_line(const std::string& text);

// Lines, or parts of one.
void print_text(const std::string& text);

// What a model writes, whole UTF-8 characters at a time: to a pipe or a file its very bytes, to a
// terminal as print_text.
void print_exactly(const std::string& text);

// Did a write to stdout fail?
bool stdout_failed();

}  // namespace gpt
