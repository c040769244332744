// What a report shows of one run, read from its out_dir.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "gpt/metrics/series.h"

namespace gpt {

// Something that happened at an iteration: a restart, a warning, a checkpoint.
struct RunMark {
  std::int64_t iter = 0;
  double time = 0;   // seconds since 1970
  std::string kind;  // "resume", "warning", "error", ...
  std::string text;
  std::int64_t times = 1;  // in a row
};

struct RunSample {
  std::int64_t iter = 0;
  std::string prompt, text;
};

// A peak of memory: the plan's and the measured one.
struct MemoryPeak {
  std::int64_t iter = 0;
  std::string of;  // "training", "evaluation"
  double predicted_mib = 0, measured_mib = 0;
};

struct RunData {
  std::string name, folder;
  std::string state;           // "running", "done", "stopped", ... as the last event has it
  std::int64_t last_iter = 0;  // the last one that was reported
  double begun = 0, updated = 0, hours = 0;
  std::vector<std::pair<std::string, std::string>> config;   // options, as JSON has them
  std::vector<std::pair<std::string, std::string>> changes;  // what was decided on this machine
  std::map<std::string, Series> series;                      // as metric_names.h names them
  std::vector<RunMark> marks;
  std::vector<RunSample> samples;
  std::vector<MemoryPeak> memory;
  std::int64_t broken_lines = 0, superseded = 0;

  // A number among the options; `otherwise` where it is missing or no number.
  double option(const std::string& key, double otherwise) const;
  double tokens_per_iteration() const;
};

// Keeps at most `points` points of a series. InputError if there is no metrics.jsonl; what else is
// missing or broken is left out.
RunData read_run(const std::filesystem::path& out_dir, std::size_t points);

// The same of files by their names.
RunData read_run_files(const std::filesystem::path& metrics, const std::filesystem::path& config,
                       const std::filesystem::path& log, std::size_t points);

// "gpt2-a" and "gpt2-b" for runs/gpt2-a and runs/gpt2-b: the shortest ends of paths that differ.
void name_runs(std::vector<RunData>& runs);

}  // namespace gpt
