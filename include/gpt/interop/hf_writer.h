// Writes a folder that transformers loads as a GPT2LMHeadModel, as it is.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "gpt/base/replace.h"
#include "gpt/formats/safetensors.h"
#include "gpt/model/parameter_table.h"

namespace gpt {

struct HfModel {
  ModelShape shape;
  const SafetensorsFile& weights;  // by parameter names, float32
  // Rows of the token embedding to write: fewer than shape.vocab_size drops the padding.
  std::int64_t vocab_size = 0;
  std::map<std::string, std::string> other_files;  // the tokenizer's, by name
};

// The folder appears complete or not at all. Without `may_replace` it must not exist yet. Weights
// that a model without biases does not have are written as zeros, which gives the same numbers.
// IoError, InputError.
void write_hf_folder(const std::filesystem::path& folder, const HfModel& model,
                     MayReplace may_replace = nullptr);

}  // namespace gpt
