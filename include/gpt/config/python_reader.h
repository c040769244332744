// nanoGPT's config files, which are Python: read by an evaluator of our own, never executed.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/config/settings.h"

namespace gpt {

// What a name stands for before the file assigns it: the current value of a config key.
using Lookup = std::function<std::optional<Value>(const std::string& name)>;

// `name = expression` in the order of the file, with Python's meaning of numbers, strings (no
// f-strings), True, False, None, + - * / // % **, comparisons, not/and/or, `a if c else b`, earlier
// names, str(), int(), float() and, after `import time`, time.time(). Texts that stand alone are
// docstrings. Names that begin with _ are the file's own and make no Setting. Integers are of 64
// bits. InputError "NAME:LINE:COLUMN: ..." (columns count characters) for all else.
std::vector<Setting> parse_python_config(std::string_view text, const std::string& name,
                                         const Lookup& defaults);

// The same from a file; InputError also if it cannot be read.
std::vector<Setting> read_python_config(const std::filesystem::path& file, const Lookup& defaults);

}  // namespace gpt
