// The JSON files of a Hugging Face GPT-2 folder.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include "gpt/model/parameter_table.h"

namespace gpt {

// config.json of a GPT-2. InputError if it is another model, or a GPT-2 with a switch that this
// program's does not have. `tied` gets whether the head is said to be the token embedding.
ModelShape read_hf_config(const std::filesystem::path& path, bool* tied = nullptr);

// The shards that NAME.safetensors.index.json or NAME.bin.index.json lists: plain names of files
// next to it, of its own kind.
std::set<std::string> read_hf_index(const std::filesystem::path& path);

// config.json and generation_config.json of a model of this shape.
std::string hf_config_json(const ModelShape& shape);
std::string hf_generation_config_json(const ModelShape& shape);

}  // namespace gpt
