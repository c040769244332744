#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>
#include <vector>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/command_line.h"
#include "gpt/config/printing.h"
#include "gpt/config/validate.h"
#include "gpt/memory/plan_text.h"
#include "gpt/train/chrome_trace.h"
#include "gpt/train/probe_setup.h"
#include "gpt/train/resolve_run.h"
#include "gpt/train/run.h"
#include "gpt/train/run_folder.h"

#include "app/commands.h"
#include "app/import_run.h"

namespace gpt {

namespace {

void refuse_several_processes() {
  const char* world = std::getenv("WORLD_SIZE");
  if (world && std::strtoll(world, nullptr, 10) > 1)
    throw InputError(concat("WORLD_SIZE=", world,
                            ": this version trains in one process only; "
                            "start it without a launcher"));
}

// max_iters is the last iteration; it may be the largest number there is.
std::int64_t iterations_left(std::int64_t max_iters, std::int64_t step) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() - 1;
  return std::min(max_iters - step, kMost) + 1;
}

void record_changes(const std::vector<ConfigChange>& changes, MetricsSink& metrics) {
  if (changes.empty()) return;
  log_info("config: " + changes_text(changes));
  std::vector<std::pair<std::string, std::string>> texts;
  for (const ConfigChange& change : changes)
    texts.emplace_back(change.key, concat(change.to, " (", change.reason, ")"));
  std::vector<MetricsSink::Entry> entries;
  for (const auto& [key, text] : texts) entries.emplace_back(key, text);
  metrics.write("config", entries);
}

// Everything between a checked config and a finished run.
ExitCode train(const TrainConfig& asked, const Settings& settings, const StopSignals& signals) {
  RunFolder folder(asked.io.out_dir);
  CheckpointStore store(asked.io.out_dir, asked.io.keep_checkpoints);
  store.clean_leftovers();
  if (asked.io.init_from == "resume") import_nanogpt(asked.io.out_dir, asked.data.data_dir);
  ResolvedRun resolved = resolve_run(asked, settings, store);
  const MachinePlan& planned = resolved.planned;
  print_line(plan_line(planned.planner, *planned.ranked.best));
  Run run({.config = resolved.config,
           .dataset = std::move(resolved.dataset),
           .compute = resolved.compute,
           .peak = resolved.peak,
           .checkpoint = resolved.start.checkpoint,
           .source = std::move(resolved.source)},
          store, folder.metrics());
  run.print_facts();
  const RunFiles files(store, asked.io.out_dir, resolved.start.replaced);
  folder.begin(files, run.config_json);
  run.start();
  record_changes(resolved.changes, folder.metrics());
  record_steps(resolved.steps, folder.metrics());
  run.report.expect_peaks(planned.train_peak(), planned.eval_peak());
  std::optional<ChromeTrace> trace;
  if (run.config.system.profile)
    trace.emplace(fs::path(run.config.io.out_dir) / "trace.json", run.compute.device,
                  iterations_left(run.config.optimizer.max_iters, run.first_step()));
  run.trainer.oom_retry().planner = planned.planner;
  run.trainer.before_save = [&folder] { folder.claim(); };
  return run.trainer.run(signals);
}

}  // namespace

ExitCode train_command(const Arguments& arguments) {
  const StopSignals signals;  // making a model takes a while: what comes in it counts, too
  begin_log_file();           // and so do the lines from before the run's folder is open
  TrainConfig config;
  Settings settings(options_of(config));
  const CommandLine line = read_command_line(arguments, settings, /*inputs_allowed=*/false);
  if (line.help) {
    print_text(
        "Usage: gpttrain [train] [CONFIG.py|CONFIG.json...] [--key=value...]\n"
        "                [--print_config] [--config_python=PYTHON]\nRead left to right, later "
        "wins. A Python named by --config_python runs\nthe .py files; else what they hold is read, "
        "and nothing runs.\n\n" +
        help_text(options_of(config)));
    return kExitDone;
  }
  validate(config, settings);
  if (line.print_config) {
    print_text(to_json(options_of(config)));
    return kExitDone;
  }
  refuse_several_processes();
  return train(config, settings, signals);
}

}  // namespace gpt
