// The files in a folder, at any depth.
#pragma once

#include <filesystem>
#include <vector>

#include "gpt/dataprep/left_out.h"

namespace gpt {

// The regular files that can be text, sorted by path, without those of a dataset in `out_dir`.
// Links are followed, so that what lies elsewhere comes along, but each folder is read once and no
// link brings a file a second time. What is passed over goes to `left_out`. InputError if the
// folder itself cannot be listed.
std::vector<std::filesystem::path> files_below(const std::filesystem::path& folder,
                                               const std::filesystem::path& out_dir,
                                               LeftOut& left_out);

}  // namespace gpt
