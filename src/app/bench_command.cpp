#include <nlohmann/json.hpp>

#include "gpt/base/log.h"
#include "gpt/config/command_line.h"
#include "gpt/config/printing.h"
#include "gpt/config/validate.h"
#include "gpt/train/memory_setup.h"

#include "app/bench_report.h"
#include "app/commands.h"

namespace gpt {

namespace {

constexpr const char* kUsage =
    "Usage: gpttrain bench [CONFIG.py|CONFIG.json...] [--key=value...] [--json]\n"
    "Where the time of a training step goes, on this machine: the steps that `gpttrain\n"
    "train` would take, on made-up tokens and fresh weights. It needs no data and\n"
    "touches no out_dir. All keys of train are known, and these:\n\n";

}  // namespace

ExitCode bench_command(const Arguments& arguments) {
  TrainConfig config;
  BenchConfig bench;
  std::vector<Option> all = options_of(config);
  for (const Option& option : options_of(bench)) all.push_back(option);
  Settings settings(all);
  const CommandLine line = read_command_line(arguments, settings, /*inputs_allowed=*/false);
  if (line.help) {
    print_text(kUsage + help_text(options_of(bench)));
    return kExitDone;
  }
  validate(config, settings);
  if (config.io.init_from != "scratch")
    log_warning("init_from=" + config.io.init_from +
                ": bench times fresh weights of the shape that the keys say");
  if (config.system.profile)
    log_warning("profile=True: bench writes no trace; `gpttrain train` does");
  check_evaluation_device(config.memory, settings);
  const BenchResult result = run_bench(config, bench, settings);
  if (bench.json)
    print_text(bench_json(result).dump(1) + "\n");
  else
    print_text(bench_text(result));
  return kExitDone;
}

}  // namespace gpt
