// What train_files and val_files name.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gpt/base/files.h"

namespace gpt {

// Files that are read as one, and what share of the sequences comes from them.
struct TrainingFiles {
  std::string name;  // for logs: the folder's, or the pattern where that tells more
  std::vector<fs::path> files;
  double share = 1;
};

struct FileList {
  std::vector<TrainingFiles> sources;  // empty: see missing
  bool weighted = false;
  std::string missing;  // the name or pattern that fits no file
};

// Of a list of names and patterns with commas between: one source, or where each has a weight
// before it (0.7:web/*.bin), a source each. A name may have commas, too: what fits nothing is tried
// together with what follows it; and a colon: what is the name of a file has no weight. InputError,
// which begins with `key`, for a weight that is none.
FileList read_file_list(const std::string& key, const std::string& list);

}  // namespace gpt
