// A file of lines, appended to on a disk that may be full: each line is there whole or not at all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "gpt/base/files.h"

namespace gpt {

class LineFile {
 public:
  // Continues in this file, in place of the one before. Half a line at its end, which a killed
  // process left, gets its newline with the next line. What waits is written. IoError: of the file,
  // or of the lines, which then wait on.
  void open(const std::filesystem::path& path);

  // Appends the line and a newline. What cannot be written waits, up to a mebibyte, and goes before
  // the next line that can be; of more than that the oldest lines are lost. Where no file is open
  // yet, lines wait for it. IoError at the first line of those that cannot be written.
  void write(std::string_view line);

  const std::filesystem::path& path() const { return path_; }
  bool failing() const { return failing_; }
  // Lines that were lost since the last call.
  std::int64_t take_lost();
  // Lines that are not in the file yet.
  std::int64_t waiting() const;

 private:
  void wait(std::string_view line);
  void write_waiting();
  void append_waiting();

  std::filesystem::path path_;
  std::optional<OutputFile> file_;
  std::string waiting_;
  std::int64_t lost_ = 0;
  bool torn_ = false;     // half a line is at the end
  bool failing_ = false;  // the last line that was given could not be written
};

}  // namespace gpt
