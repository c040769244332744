// metrics.jsonl: one flat JSON object per event, appended and never rewritten.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/base/files.h"
#include "gpt/metrics/metrics_sink.h"

namespace gpt {

class JsonlMetrics : public MetricsSink {
 public:
  // What is written before open() waits.
  JsonlMetrics() = default;
  // Appends to what is there. Half a line at its end, which a killed process or a full disk left,
  // is cut off, with a warning. IoError if the file cannot be opened.
  explicit JsonlMetrics(const std::filesystem::path& file);
  ~JsonlMetrics() override;  // says what was never written

  // {"event": ..., "time": seconds since 1970, entries...}; a non-finite number becomes null. A
  // disk that is full or broken costs a warning, not the run: what could not be written is kept, up
  // to a mebibyte, and written before the next line that can be. Every line of the file is whole.
  void write(std::string_view event, const std::vector<Entry>& entries) override;

  // Writes to this file from now on. IoError.
  void open(const std::filesystem::path& file);

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
