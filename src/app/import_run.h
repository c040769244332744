// Another program's model as an ordinary checkpoint.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "gpt/checkpoint/store.h"
#include "gpt/config/import_config.h"

namespace gpt {

inline constexpr const char* kNanogptFile = "ckpt.pt";

// Writes nanoGPT's ckpt.pt `source` (weights, AdamW's state, iteration, best loss, config), or a
// Hugging Face folder (weights, at step 0), into the run folder config.out_dir, whose lock the
// caller holds. Once the source has been read, the checkpoints `replaced` are moved aside.
// InputError, IoError. Returns the checkpoint's folder.
fs::path import_run(const fs::path& source, const ImportConfig& config,
                    const std::vector<CheckpointInfo>& replaced = {});

// For init_from=resume: where out_dir holds no checkpoint but nanoGPT's ckpt.pt, imports that.
void import_nanogpt(const std::string& out_dir, const std::string& data_dir);

}  // namespace gpt
