// The verbs of the command line. Each takes its own arguments and returns the exit code; errors
// are exceptions.
#pragma once

#include <string>
#include <vector>

#include "gpt/base/error.h"

namespace gpt {

using Arguments = std::vector<std::string>;

// Picks the verb; without one, `train`, as `gpttrain configs/x.py --batch_size=4` in nanoGPT.
ExitCode run_program(const Arguments& arguments);

ExitCode train_verb(const Arguments& arguments);
ExitCode prepare_verb(const Arguments& arguments);
ExitCode sample_verb(const Arguments& arguments);
ExitCode eval_verb(const Arguments& arguments);
ExitCode import_verb(const Arguments& arguments);
ExitCode export_verb(const Arguments& arguments);
ExitCode checkpoint_verb(const Arguments& arguments);
ExitCode plan_verb(const Arguments& arguments);
ExitCode bench_verb(const Arguments& arguments);
ExitCode doctor_verb(const Arguments& arguments);
// The README's table of keys; scripts/update_readme and a test use it.
ExitCode keys_verb(const Arguments& arguments);

}  // namespace gpt
