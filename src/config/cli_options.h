// The option table as CLI11 takes it. CLI11 stays inside sources: it costs its includers seconds.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gpt/config/option.h"

namespace CLI {
class App;
}

namespace gpt {

using TakeText = std::function<void(const std::string& text)>;

// An option with one value, which is taken where it stands: in the order of the command line, and
// as often as it comes.
void add_option(CLI::App& app, const std::string& names, const std::string& doc,
                const TakeText& take);

// Every option of the table, in the group of its section, with its other names and its doc. `take`
// gets the key that was meant.
void add_options(CLI::App& app, const std::vector<Option>& options,
                 const std::function<void(const std::string& key, const std::string& text)>& take);

}  // namespace gpt
