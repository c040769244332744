// Config files on their way into the settings of a command.
#pragma once

#include <string>

#include "gpt/config/settings.h"

namespace gpt {

// Assigns what the .py or .json file gives to keys. Any command may be given a training config: the
// keys of train that it does not have are passed over. `python`: see run_python_config; "": none.
// InputError for a name that is nearly a key; a .py file's other names are its own business, and
// those that it does not read itself are named in a warning.
void read_config_file(const std::string& file, const std::string& python, Settings& settings);

bool is_config_name(const std::string& file);  // *.py, *.json

// Does the file give a value to a key of train? Else it is a text that only ends in .py or .json.
bool sets_a_key(const std::string& file);

}  // namespace gpt
