// metrics.jsonl: one flat JSON object per event, appended and never rewritten.
#pragma once

#include <cstdint>
#include <filesystem>
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

  explicit Metrics(const std::filesystem::path& file) : file_(file, OutputFile::kAppend) {}

  // {"event": ..., "time": seconds since 1970, entries...}; a non-finite number becomes null. A
  // disk that is full or broken costs a warning, once, not the run.
  void write(std::string_view event, const std::vector<Entry>& entries);

 private:
  OutputFile file_;
  bool failed_ = false;
};

}  // namespace gpt
