// metrics.csv: the numbers of metrics.jsonl as a table.
#pragma once

#include <cstdint>
#include <filesystem>

namespace gpt {

// One row an event that has an iteration and still counts (see history.h), one column a key, in the
// order in which they first come. Replaces `to` only once it is whole. The number of rows;
// InputError or IoError.
std::int64_t write_csv(const std::filesystem::path& metrics_jsonl, const std::filesystem::path& to);

}  // namespace gpt
