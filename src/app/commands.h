// The commands of the command line. Each takes its own arguments and returns the exit code; errors
// are exceptions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpt/base/error.h"
#include "gpt/config/command_line.h"
#include "gpt/config/train_config.h"

namespace gpt {

using Arguments = std::vector<std::string>;

// Picks the command; without one, `train`, as `gpttrain configs/x.py --batch_size=4` in nanoGPT.
ExitCode run_program(const Arguments& arguments);

// How a command begins that takes `options` alone: reads the arguments into them. Where these want
// help it prints `usage` and the options, and there is nothing left to do.
std::optional<CommandLine> read_options(const Arguments& arguments,
                                        const std::vector<Option>& options,
                                        const std::string& usage, bool inputs_allowed);

ExitCode train_command(const Arguments& arguments);
ExitCode launch_command(const Arguments& arguments);
// InputError if a step has fewer sequences than there are processes.
void require_enough_sequences(const DataConfig& data, int processes);
ExitCode data_command(const Arguments& arguments);
ExitCode prepare_command(const Arguments& arguments);
ExitCode sample_command(const Arguments& arguments);
ExitCode eval_command(const Arguments& arguments);
ExitCode import_command(const Arguments& arguments);
ExitCode export_command(const Arguments& arguments);
ExitCode tokenizer_command(const Arguments& arguments);
ExitCode checkpoint_command(const Arguments& arguments);
ExitCode plan_command(const Arguments& arguments);
ExitCode report_command(const Arguments& arguments);
ExitCode bench_command(const Arguments& arguments);
ExitCode doctor_command(const Arguments& arguments);
// What the others run in a process of its own, before they use a GPU.
ExitCode probe_command(const Arguments& arguments);
// The README's table of keys; scripts/update_readme and a test use it.
ExitCode keys_command(const Arguments& arguments);

}  // namespace gpt
