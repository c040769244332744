// The warnings and errors of a run's train.log, at the iterations at which they came.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "gpt/metrics/run_data.h"

namespace gpt {

struct TimedIteration {
  double time = 0;  // seconds since 1970
  std::int64_t iter = 0;
};

// Adds them to `marks`, which are then in the order of time. Of a log that cannot be read there are
// none; of a large one the end is read. What an event has said already is left out.
void add_log_marks(std::vector<RunMark>& marks, const std::vector<TimedIteration>& times,
                   const std::filesystem::path& log, std::size_t most);

// The time of a line "2026-01-31 12:00:00.123 +01:00 warning text", in seconds since 1970, and
// where its level begins; 0 where there is none.
double log_time(std::string_view line, std::size_t& level_at);

}  // namespace gpt
