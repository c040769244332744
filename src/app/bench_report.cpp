#include "app/bench_report.h"

#include <algorithm>
#include <numeric>

#include <nlohmann/json.hpp>

#include "gpt/base/strings.h"
#include "gpt/base/version.h"
#include "gpt/config/printing.h"

namespace gpt {

namespace {

constexpr double kMiB = 1 << 20;

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const std::size_t half = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(half),
                   values.end());
  if (values.size() % 2 == 1) return values[half];
  return (values[half] +
          *std::max_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(half))) /
         2;
}

double least(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::min_element(values.begin(), values.end());
}

std::string row(const std::string& name, double middle, double smallest, double share) {
  return format("  %-18s%10.3f ms%10.3f ms%8.1f %%\n", name.c_str(), 1e3 * middle, 1e3 * smallest,
                100 * share);
}

// What is timed, in one line of keys.
std::string subject(const BenchResult& result) {
  const TrainConfig& config = result.config;
  return format(
      "%s, %s engine: %s parameters (%ld x %ld, %ld heads), vocabulary %ld, %ld x %ld tokens an "
      "iteration in pieces of %ld sequences",
      config.system.dtype.c_str(), result.engine.c_str(), with_commas(result.parameters).c_str(),
      config.model.n_layer, config.model.n_embd, config.model.n_head,
      *config.model.vocab_size.value,
      config.data.batch_size * config.data.gradient_accumulation_steps, config.data.block_size,
      *config.data.micro_batch_size.value);
}

}  // namespace

std::vector<PhaseLine> phase_lines(const std::vector<PhaseTimer::Times>& iterations) {
  std::vector<PhaseLine> lines;
  const auto add = [&](const std::string& span, const std::string& name) {
    std::vector<double> seconds;
    for (const PhaseTimer::Times& times : iterations) {
      const auto found = std::find_if(times.begin(), times.end(),
                                      [&](const auto& time) { return time.first == span; });
      seconds.push_back(found == times.end() ? 0 : found->second);
    }
    lines.push_back({name, median(seconds), least(seconds)});
  };
  std::vector<std::string> names;
  for (const PhaseTimer::Times& times : iterations)
    for (const auto& [name, seconds] : times)
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  for (const std::string& name : names)
    if (name != "iteration") add(name, name);
  add("iteration", "other");
  return lines;
}

std::string bench_text(const BenchResult& result) {
  const double middle = median(result.whole), smallest = least(result.whole);
  const std::vector<PhaseLine> phases = phase_lines(result.phases);
  const double sum = std::accumulate(phases.begin(), phases.end(), 0.0,
                                     [](double all, const PhaseLine& p) { return all + p.median; });
  std::string out = format("%s, %d thread%s; gpttrain %s\n", result.hardware.c_str(),
                           result.threads, result.threads == 1 ? "" : "s", version().c_str());
  out += subject(result) + "\n";
  out += format("  %-18s%13s%13s%10s   of %zu iterations\n", "", "median", "fastest", "share",
                result.whole.size());
  for (const PhaseLine& phase : phases)
    out += row(phase.name, phase.median, phase.least, phase.median / sum);
  out += row("iteration", middle, smallest, 1);
  out += format("%s tokens/s, %.1f GFLOP/s: %.1f %% of the %.1f GFLOP/s of a large product (%s)\n",
                with_commas(static_cast<std::int64_t>(result.tokens / middle)).c_str(),
                result.flops / middle / 1e9, 100 * result.flops / middle / result.peak.flops,
                result.peak.flops / 1e9, result.peak.source.c_str());
  out += format("the first step took %.0f ms, after %.0f ms of getting ready\n", 1e3 * result.first,
                1e3 * result.setup);
  out += format("peak memory: %.1f MiB of tensors (planned: %.1f), %.0f MiB of the process\n",
                static_cast<double>(result.memory.tensors_peak) / kMiB,
                static_cast<double>(result.planned) / kMiB,
                static_cast<double>(result.process_peak) / kMiB);
  return out;
}

nlohmann::ordered_json bench_json(const BenchResult& result) {
  const auto milliseconds = [](const std::vector<double>& seconds) {
    std::vector<double> ms;
    for (const double s : seconds) ms.push_back(1e3 * s);
    return ms;
  };
  const double middle = median(result.whole);
  TrainConfig config = result.config;
  nlohmann::ordered_json phases;
  for (const PhaseLine& phase : phase_lines(result.phases))
    phases[phase.name] = {{"median_ms", 1e3 * phase.median}, {"min_ms", 1e3 * phase.least}};
  return {{"version", version()},
          {"hardware", result.hardware},
          {"engine", result.engine},
          {"threads", result.threads},
          {"parameters", result.parameters},
          {"tokens_per_iteration", result.tokens},
          {"flops_per_iteration", result.flops},
          {"median_ms", 1e3 * middle},
          {"min_ms", 1e3 * least(result.whole)},
          {"tokens_per_second", result.tokens / middle},
          {"flops_per_second", result.flops / middle},
          {"gemm_flops_per_second", result.peak.flops},
          {"gemm_rate_is", result.peak.source},
          {"share_of_gemm", result.flops / middle / result.peak.flops},
          {"setup_ms", 1e3 * result.setup},
          {"first_step_ms", 1e3 * result.first},
          {"peak_tensor_bytes", result.memory.tensors_peak},
          {"planned_tensor_bytes", result.planned},
          {"peak_process_bytes", result.process_peak},
          {"phases", phases},
          {"iterations_ms", milliseconds(result.whole)},
          {"config", nlohmann::ordered_json::parse(to_json(options_of(config)))}};
}

}  // namespace gpt
