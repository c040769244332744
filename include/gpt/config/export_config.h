// Every option of `gpttrain export`, once.
#pragma once

#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct ExportConfig {
  CONFIG(ExportConfig);
  FIELD(std::string, out_dir, "Folder of the run.", not_empty()) = "out";
  FIELD(std::string, checkpoint, "latest, best, or a checkpoint's folder.", not_empty()) = "latest";
  FIELD(std::string, format, "Whose format to write.", one_of("nanogpt", "hf")) = "hf";
  FIELD(std::string, to, "Where to write. Empty: out_dir/ckpt.pt for nanogpt, out_dir/hf for hf.",
        anything()) = "";
  FIELD(bool, pad, "hf: keep token rows beyond the vocabulary, which only pad it.",
        anything()) = false;
  FIELD(bool, overwrite, "Replace what is already there.", anything()) = false;
  FIELD(bool, allow_nonfinite, "Take weights and optimizer state with NaN or infinity in them too.",
        anything()) = false;
  END_CONFIG;
};

}  // namespace gpt
