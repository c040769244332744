// Config files in JSON: one object of flat keys; a section may be an object of its own.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/config/settings.h"

namespace gpt {

// In the order of the file; whether a key is known is for Settings to say. A number with a point
// or an exponent is a double, any other an int64. {"data": {"batch_size": 4}} means batch_size;
// the sections are io, data, model, optimizer, schedule, memory, system, sample and prepare.
// InputError "NAME:LINE: ..." (a syntax error has NAME:LINE:COLUMN): no object, a key given twice,
// an array, a deeper object, an integer beyond 64 bits.
std::vector<Setting> parse_json_config(std::string_view text, const std::string& name);

// The same from a file; InputError also if it cannot be read.
std::vector<Setting> read_json_config(const std::filesystem::path& file);

}  // namespace gpt
