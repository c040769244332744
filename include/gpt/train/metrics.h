// metrics.jsonl: one flat JSON object per event, appended and never rewritten.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "gpt/base/files.h"

namespace gpt {

class Metrics {
 public:
  using Value = std::variant<double, std::int64_t, std::string>;
  using Entry = std::pair<std::string_view, Value>;

  // Appends to what is there. Half a line at its end, which a killed process or a full disk left,
  // is cut off, with a warning. IoError if the file cannot be opened.
  explicit Metrics(const std::filesystem::path& file);
  ~Metrics();  // says what was never written

  // {"event": ..., "time": seconds since 1970, entries...}; a non-finite number becomes null. A
  // disk that is full or broken costs a warning, not the run: what could not be written is kept, up
  // to a mebibyte, and written before the next line that can be. Every line of the file is whole.
  void write(std::string_view event, const std::vector<Entry>& entries);

  // Continues in a new file after the folder was removed. IoError.
  void reopen(const std::filesystem::path& file);

 private:
  void append(const std::string& lines);
  void keep_for_later(std::string line);
  void mend_end();

  std::filesystem::path path_;
  std::optional<OutputFile> file_;
  bool torn_ = false;          // half a line is at the end, and could not be cut off
  std::string waiting_;        // lines that could not be written yet
  std::int64_t failures_ = 0;  // since the last line that was written
  std::int64_t lost_ = 0;      // lines that no longer fit into waiting_
};

}  // namespace gpt
