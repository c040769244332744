#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include "gpt/base/log.h"
#include "gpt/base/strings.h"
#include "gpt/config/command_line.h"
#include "gpt/config/printing.h"
#include "gpt/config/validate.h"
#include "gpt/memory/plan_text.h"
#include "gpt/parallel/join.h"
#include "gpt/train/agreement.h"
#include "gpt/train/chrome_trace.h"
#include "gpt/train/probe_setup.h"
#include "gpt/train/resolve_run.h"
#include "gpt/train/run.h"
#include "gpt/train/run_folder.h"
#include "gpt/train/run_length.h"

#include "app/commands.h"
#include "app/import_run.h"

namespace gpt {

namespace {

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

// What the first process of a run does in its folder before the others look at it.
void tidy(const IoConfig& io, const std::string& data_dir, CheckpointStore& store) {
  store.clean_leftovers();
  if (io.init_from == "resume" || io.init_from == "auto") import_nanogpt(io.out_dir, data_dir);
}

// A process besides the first one keeps a log, and nothing else.
void open_own_log(const std::string& out_dir, int rank) {
  make_directories(out_dir);
  open_log_file(fs::path(out_dir) / concat("rank_", rank, ".log"));
}

// Everything between a checked config and a finished run.
ExitCode train(const TrainConfig& asked, const Settings& settings, const StopSignals& signals,
               ProcessGroup& group) {
  NoMetrics no_metrics;
  std::optional<RunFolder> folder;
  CheckpointStore store(asked.io.out_dir, asked.io.keep_checkpoints);
  if (group.is_first()) {
    folder.emplace(asked.io.out_dir);
    tidy(asked.io, asked.data.data_dir, store);
  } else {
    open_own_log(asked.io.out_dir, group.rank());
  }
  MetricsSink& metrics = folder ? folder->metrics() : static_cast<MetricsSink&>(no_metrics);
  ResolvedRun resolved = resolve_run(asked, settings, store, group);
  const MachinePlan& planned = resolved.planned;
  print_line(plan_line(planned.planner, *planned.ranked.best));
  Run run({.config = resolved.config,
           .dataset = std::move(resolved.dataset),
           .compute = resolved.compute,
           .peak = resolved.peak,
           .checkpoint = resolved.start.checkpoint,
           .source = std::move(resolved.source),
           .group = group},
          store, metrics);
  run.print_facts();
  const RunFiles files(store, asked.io.out_dir, resolved.start.replaced);
  if (folder) folder->begin(files, run.config_json, run.config.io);
  run.start();
  record_changes(resolved.changes, metrics);
  record_steps(resolved.steps, metrics);
  // The plan is for the processes that have the most to do.
  const auto has_most = [&](std::int64_t count) {
    return group.partition(count).size() == (count + group.size() - 1) / group.size();
  };
  if (has_most(run.batches.effective_batch()) && has_most(run.config.data.batch_size))
    run.report.expect_peaks(planned.train_peak(), planned.eval_peak());
  std::optional<ChromeTrace> trace;
  if (run.config.system.profile && group.is_first())
    trace.emplace(fs::path(run.config.io.out_dir) / "trace.json", run.compute.device,
                  iterations_left(run.config.optimizer.max_iters, run.first_step()));
  run.trainer.oom_retry().planner = planned.planner;
  if (folder) {
    run.trainer.before_save = [&folder] { folder->claim(); };
    run.trainer.before_restart = [&folder] { folder->restarts(); };
  }
  return run.trainer.run(signals);
}

}  // namespace

void require_enough_sequences(const DataConfig& data, int processes) {
  const std::int64_t sequences = data.batch_size * data.gradient_accumulation_steps;
  if (sequences < processes)
    throw InputError(concat(processes, " processes cannot share a step of ", sequences,
                            " sequences (batch_size * gradient_accumulation_steps); start at most ",
                            sequences, ", or make the step larger"));
}

namespace {

// One of the processes that a launcher has started.
ExitCode train_together(const TrainConfig& asked, const Settings& settings,
                        const StopSignals& signals, const LaunchInfo& launch) {
  const auto group = join_processes(launch, std::chrono::seconds(asked.system.dist_timeout));
  const std::string name = group->is_first() ? "" : group->name(group->rank());
  speak_as(name, [&group](const std::string& text) { return group->says_first(text); });
  log_info(concat(launch.launcher, ": ", launch.size, " processes, ", group->local_size(),
                  " of them on this machine; they exchange what is on the CPU through ",
                  group->transport()));
  try {
    require_same_config(*group, asked);
    require_enough_sequences(asked.data, group->size());
    const ExitCode code = train(asked, settings, signals, *group);
    group->barrier();  // nobody looks for those who have ended
    speak_as(name, [](const std::string&) { return true; });
    return code;
  } catch (const std::exception& error) {
    const bool lost = dynamic_cast<const LostProcess*>(&error);  // who is to blame is another one
    if (!lost) group->report_failure(error.what());
    const bool first = group->says_first(error.what());
    speak_as(name, [first](const std::string&) { return first; });
    throw;
  }
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
  settle_run_length(config, settings);
  const LaunchInfo launch = launch_info();
  if (!launch.note.empty()) log_info(launch.note);
  return launch.size > 1 ? train_together(config, settings, signals, launch)
                         : train(config, settings, signals, single_process());
}

}  // namespace gpt
