// Another program's model as an ordinary checkpoint.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "gpt/checkpoint/store.h"
#include "gpt/config/import_config.h"

namespace gpt {

inline constexpr const char* kNanogptFile = "ckpt.pt";

// Writes the model of another program's file or folder into the run folder config.out_dir, whose
// lock the caller holds: of a PyTorch checkpoint with AdamW's state, iteration, best loss and
// config, as far as it has them, else at step 0. Once the source has been read, the checkpoints
// `replaced` are moved aside. InputError, IoError. Returns the checkpoint's folder.
fs::path import_run(const fs::path& source, const ImportConfig& config,
                    const std::vector<CheckpointInfo>& replaced = {});

// For init_from=resume: where out_dir holds no checkpoint but nanoGPT's ckpt.pt, imports that.
void import_nanogpt(const std::string& out_dir, const std::string& data_dir);

// Where out_dir holds checkpoints, and a ckpt.pt that is newer and no export of one of them.
void warn_of_newer_nanogpt(const std::string& out_dir);

}  // namespace gpt
