// metrics.jsonl: one flat JSON object per event, appended and never rewritten.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "gpt/base/line_file.h"
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
  template <class Work>
  void attempt(const Work& work);

  LineFile lines_;
};

}  // namespace gpt
