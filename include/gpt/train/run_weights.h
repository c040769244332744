// Weights that a new run, or a command that only reads a model, begins with: those of another run
// of this program, or of another program.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "gpt/checkpoint/store.h"
#include "gpt/config/io_config.h"
#include "gpt/interop/weight_source.h"

namespace gpt {

// The checkpoint that nanoGPT's ckpt.pt would hold: the newest one, or of a run that saves only
// when val loss improves, the best. Nothing if the folder has no good one.
std::optional<CheckpointInfo> usual_checkpoint(const fs::path& out_dir);

// Does init_from name weights, of whatever kind?
bool begins_with_weights(const IoConfig& io);

// `init_from`: a run's folder, one of its checkpoints or the model.safetensors in that, or what
// open_weights (interop) takes. InputError.
std::unique_ptr<WeightSource> open_source(const std::string& init_from,
                                          const std::string& pretrained_dir,
                                          const SourceHints& hints);

// InputError if the weights say what their tokens mean, and the dataset's mean something else.
void check_vocabulary(const WeightSource& source, const std::string& dataset,
                      const std::string& vocabulary_json);

}  // namespace gpt
