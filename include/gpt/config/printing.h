// A config as text: JSON that reads back, help for 80 columns, the README's table.
#pragma once

#include <string>
#include <vector>

#include "gpt/config/option.h"

namespace gpt {

// A flat JSON object in order of declaration; fed back it gives the same config, bit for bit.
std::string to_json(const std::vector<Option>& options);

// Grouped by section, at most 80 columns wide, ending with the aliases.
std::string help_text(const std::vector<Option>& options);

// Markdown: | key | default | meaning |, a table per section.
std::string key_table(const std::vector<Option>& options);

// The README's: the keys of every command.
std::string key_tables();

}  // namespace gpt
