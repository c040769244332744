// Where a run's first weights come from, by what init_from says.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "gpt/interop/weight_source.h"

namespace gpt {

// gpt2, gpt2-medium, gpt2-large or gpt2-xl.
bool is_pretrained_name(const std::string& init_from);

// The local folder of OpenAI's model of that name: below `pretrained_dir` (or that folder itself),
// else in the Hugging Face cache (HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME and ~/.cache, in its
// order). InputError that says what to download, how, and where to put it.
std::filesystem::path find_pretrained(const std::string& name, const std::string& pretrained_dir);

// `init_from`: such a name; a Hugging Face folder, or one of nanoGPT with its ckpt.pt or of llm.c
// with its model_*.bin; a file of PyTorch, safetensors or llm.c. `hints` say what a file does not
// say of its weights. InputError, which says what the file or folder is instead, if that is known.
std::unique_ptr<WeightSource> open_weights(const std::string& init_from,
                                           const std::string& pretrained_dir = "",
                                           const SourceHints& hints = {});

}  // namespace gpt
