// A command's arguments, read as nanoGPT's configurator reads them: left to right, later wins.
#pragma once

#include <string>
#include <vector>

#include "gpt/config/settings.h"

namespace gpt {

// What is not a value for a key.
struct CommandLine {
  bool help = false;                // --help, -h
  bool print_config = false;        // --print_config
  std::vector<std::string> inputs;  // positional arguments that are no config file
};

// `FILE.py`, `FILE.json`, `--config FILE`, `--config=FILE`: a config file, read on the spot.
// `--key=value`, `--key value`, `--key-with-dashes value`, aliases; `--flag` alone for a bool means
// True. `--config_python=PROGRAM`: .py files are run by that Python (run_python_config). With
// `inputs_allowed`, other arguments (and every file) are inputs; else they are an error, as an
// InputError that says what was meant to be there. `configs_among_inputs`: of the inputs, a .py or
// .json file that sets keys is a config all the same.
CommandLine read_command_line(const std::vector<std::string>& arguments, Settings& settings,
                              bool inputs_allowed, bool configs_among_inputs = false);

// Other names for keys: {"grad_accum", "gradient_accumulation_steps"}, ...
const std::vector<std::pair<std::string, std::string>>& key_aliases();

}  // namespace gpt
