// Where an export goes, and what may go for it.
#pragma once

#include <string>

#include "gpt/base/replace.h"
#include "gpt/config/export_config.h"

namespace gpt {

struct ExportTarget {
  std::string shown;            // as the user named it
  std::filesystem::path place;  // behind links
  MayReplace may_replace;       // none if nothing is to be replaced
};

// InputError for a target that exists and is not to be replaced, and for one that an export must
// not touch whatever the user says: a run or what is above one, its checkpoints and its own files,
// the current and the home folder and what is above them. Within a run's folder there may be
// exports, as the default is.
ExportTarget export_target(const ExportConfig& config);

}  // namespace gpt
