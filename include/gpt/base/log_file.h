// The log of a run: every line of log_* and print_line, with its time and level, whatever the level
// that stderr shows. One a process. It is in log.cpp, where spdlog is.
#pragma once

#include <filesystem>

namespace gpt {

// From now on lines go to the log file as well; until that is opened, they wait for it.
void begin_log_file();
// Appends to this file from now on, to the end of the process: the error that ends it is its last
// line. Nothing is written through a symbolic link. A log that cannot be opened or written costs a
// warning and nothing else; on a full disk its lines wait, up to a mebibyte.
void open_log_file(const std::filesystem::path& path);
// No further line goes to it, and what waits is dropped.
void end_log_file();

}  // namespace gpt
