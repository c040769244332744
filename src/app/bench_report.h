// What `gpttrain bench` says of its measurement.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "app/bench_run.h"

namespace gpt {

struct PhaseLine {
  std::string name;
  double median = 0, least = 0;  // seconds
};
// In the order of a step; what belongs to none comes last, as "other".
std::vector<PhaseLine> phase_lines(const std::vector<PhaseTimer::Times>& iterations);

std::string bench_text(const BenchResult& result);
nlohmann::ordered_json bench_json(const BenchResult& result);

}  // namespace gpt
