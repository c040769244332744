// meta.json of a dataset folder: how its tokens came to be and how to turn them back into text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gpt/text/char_tokenizer.h"

namespace gpt {

struct DatasetMeta {
  CharTokenizer tokenizer;
  std::int64_t characters = 0;  // code points of the whole text
  std::int64_t train_tokens = 0;
  std::int64_t val_tokens = 0;
  std::string train_crc32c = {}, val_crc32c = {};  // of train.bin and val.bin, eight hex digits
  std::vector<std::string> sources = {};           // names of the files and folders given, no paths
  std::int64_t invalid_utf8 = 0;                   // sequences that became U+FFFD

  std::int64_t vocab_size() const { return tokenizer.vocab_size(); }
};

// The file's text. In ASCII: any code point of the vocabulary is safe in any editor or terminal.
std::string to_json(const DatasetMeta& meta);

// Of `folder`/meta.json; nothing where there is no such file (as in nanoGPT's openwebtext, whose
// tokens are GPT-2's). Only the tokenizer's keys must be there. InputError.
std::optional<DatasetMeta> read_dataset_meta(const std::filesystem::path& folder);

}  // namespace gpt
