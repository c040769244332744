// metrics.jsonl read back: the events of a run as they count now.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gpt/metrics/metrics_sink.h"

namespace gpt {

struct MetricsEvent {
  std::string name;  // "train"
  double time = 0;   // seconds since 1970
  std::int64_t iter = kNoIter;
  // Without those three. A null, as a number that was not finite is written, is NaN.
  std::vector<std::pair<std::string, MetricsSink::Value>> values;

  static constexpr std::int64_t kNoIter = -1;
};

// One line of the file. False where it is no flat JSON object with an "event"; lists and objects
// within it are left out.
bool parse_metrics_line(std::string_view line, MetricsEvent& event);

struct HistoryFacts {
  std::int64_t lines = 0;
  std::int64_t broken = 0;      // no event, or longer than a mebibyte
  std::int64_t superseded = 0;  // of iterations that a resumed run did once more
};

// Calls `take` with the events in the order of the file. A run that resumes does the iterations
// since its checkpoint once more; of those only the last counts, and of what comes before a new
// start nothing. Of the iteration it resumes from, the evaluation counts that was saved with it.
// `restart` is one that may not be in the file yet. InputError if the file cannot be read.
HistoryFacts read_history(const std::filesystem::path& file,
                          const std::function<void(const MetricsEvent&)>& take,
                          const MetricsEvent* restart = nullptr);

bool is_restart(std::string_view event);  // "start" or "resume"

}  // namespace gpt
