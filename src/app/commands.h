// The commands of the command line. Each takes its own arguments and returns the exit code; errors
// are exceptions.
#pragma once

#include <string>
#include <vector>

#include "gpt/base/error.h"

namespace gpt {

using Arguments = std::vector<std::string>;

// Picks the command; without one, `train`, as `gpttrain configs/x.py --batch_size=4` in nanoGPT.
ExitCode run_program(const Arguments& arguments);

ExitCode train_command(const Arguments& arguments);
ExitCode prepare_command(const Arguments& arguments);
ExitCode sample_command(const Arguments& arguments);
ExitCode eval_command(const Arguments& arguments);
ExitCode import_command(const Arguments& arguments);
ExitCode export_command(const Arguments& arguments);
ExitCode checkpoint_command(const Arguments& arguments);
ExitCode plan_command(const Arguments& arguments);
ExitCode bench_command(const Arguments& arguments);
ExitCode doctor_command(const Arguments& arguments);
// What the others run in a process of its own, before they use a GPU.
ExitCode probe_command(const Arguments& arguments);
// The README's table of keys; scripts/update_readme and a test use it.
ExitCode keys_command(const Arguments& arguments);

}  // namespace gpt
