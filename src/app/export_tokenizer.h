// The tokenizer's files of an exported Hugging Face folder.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace gpt {

struct ExportedTokenizer {
  std::map<std::string, std::string>
      files;                    // by name; empty where transformers has no such tokenizer
  std::int64_t vocab_size = 0;  // tokens that have a text; the model's rows if unknown
};

// `vocabulary_json`: the dataset's meta.json, or "" for none; a model of GPT-2's size (50257, or
// 50304 with nanoGPT's padding) then speaks GPT-2's tokens. Where the files cannot be made, a
// warning says why and what is missing.
ExportedTokenizer tokenizer_files(const std::string& vocabulary_json, std::int64_t model_rows,
                                  std::int64_t block_size);

// tokenizer_config.json of a vocabulary that is cut as GPT-2's is.
std::string gpt2_tokenizer_config(std::optional<std::int64_t> block_size);

}  // namespace gpt
