// A config as text: JSON that reads back, help for 80 columns, the README's table.
#pragma once

#include <string>
#include <vector>

#include "gpt/config/option.h"

namespace gpt {

// A flat JSON object in order of declaration; fed back it gives the same config, bit for bit.
std::string to_json(const std::vector<Option>& options);

// The value as help and tables show it: texts in quotes.
std::string shown_default(const Option& option);

// CLI11's help page: grouped by section, with the other names, at most 80 columns wide.
std::string help_text(const std::vector<Option>& options);

// Markdown: | key | default | meaning |, a table per section.
std::string key_table(const std::vector<Option>& options);

// The README's: the keys of every command.
std::string key_tables();

}  // namespace gpt
