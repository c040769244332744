// Writes nanoGPT's ckpt.pt: its sample.py and its --init_from=resume load it.
#pragma once

#include <cstdint>
#include <filesystem>

#include "gpt/base/replace.h"
#include "gpt/config/train_config.h"
#include "gpt/formats/safetensors.h"
#include "gpt/model/parameter_table.h"

namespace gpt {

struct NanogptRun {
  ModelShape shape;
  const SafetensorsFile& model;  // by parameter names
  // NAME.exp_avg, NAME.exp_avg_sq, NAME.step; of a parameter with NAME.momentum_buffer, which
  // nanoGPT has no use for, AdamW's state before its first step is written.
  const SafetensorsFile& optimizer;
  TrainConfig config;
  std::int64_t iteration = 0;
  double best_val_loss = 1e9;
};

// Does it hold Muon's momentum?
bool trained_with_muon(const SafetensorsFile& optimizer);

// The file appears complete or not at all. IoError if the disk does not take it, InputError if a
// tensor of the run is missing or if what is there may not be replaced. Returns the size.
std::uint64_t write_nanogpt(const std::filesystem::path& path, NanogptRun run,
                            MayReplace may_replace = replace_anything);

}  // namespace gpt
