// Diagnostics on stderr, results on stdout. Both take care of a progress line being shown.
// What comes from files and names cannot steer the terminal: controls are shown as terminal_safe
// shows them. spdlog stays inside log.cpp: its fmt and LibTorch's fmt cannot meet in one file.
#pragma once

#include <filesystem>
#include <functional>
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

// Several processes train one model together, and this is `name` of them ("rank 1 (node7)"; "" for
// the first one, which continues as before). Of the others the console shows warnings and errors,
// with their name, and no progress line; all else goes to the log file alone. A line that several
// have is shown once, by the process of which `says_first` is true.
void speak_as(const std::string& name, std::function<bool(const std::string& text)> says_first);

// The log of a run: every line of log_* and print_line, with its time and level, whatever the level
// that stderr shows. One a process.

// From now on lines go to the log file as well; until that is opened, they wait for it.
void begin_log_file();
// Appends to this file from now on, to the end of the process: the error that ends it is its last
// line. Nothing is written through a symbolic link. A log that cannot be opened or written costs a
// warning and nothing else; on a full disk its lines wait, up to a mebibyte.
void open_log_file(const std::filesystem::path& path);
// No further line goes to it, and what waits is dropped.
void end_log_file();

}  // namespace gpt
