// Asking what a device may be used for: a file of the cache folder knows it, or child processes
// find it out. A CUDA error that sticks kills the process that has it, so none of the checks runs
// in the process that is to train.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gpt/probe/ladder.h"
#include "gpt/probe/report.h"

namespace gpt {

struct ProbeQuestion {
  std::string key;      // all that the answer depends on
  std::string machine;  // of that: card, driver, libraries, build
  ProbeWants wants = {};
  // The program that probes and its arguments; earlier findings follow as --earlier=JSON. It
  // writes a line of JSON for each check that begins, each result, and "done" (ProbeLines).
  std::vector<std::string> command;
  double patience = 60;                              // seconds without a line
  std::optional<std::filesystem::path> folder = {};  // of the cache
};

// The answer, from the cache or from the program: where that dies or falls silent, what it was at
// counts as failed, and another process does the rest. IoError if the program cannot be started.
ProbeReport ask_probe(const ProbeQuestion& question);

// Where the answer to a question is kept.
std::filesystem::path probe_file(const std::filesystem::path& folder, const std::string& key);

// The lines between the two.
struct ProbeLine {
  enum Kind { kBegins, kResult, kDone } kind;
  CheckResult result;  // kBegins: its check and item
};
std::string probe_line(const ProbeLine& line);
// Nothing for a line that is not of a probe, as what a library prints.
std::optional<ProbeLine> parse_probe_line(const std::string& text);

// Findings as one argument, and back; InputError.
std::string findings_text(const std::vector<CheckResult>& findings);
std::vector<CheckResult> parse_findings(const std::string& text);

}  // namespace gpt
