// meta.json of a dataset folder: how its tokens came to be and how to turn them back into text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/text/tokenizer.h"

namespace gpt {

// The tokenizer of a dataset that tells the size of its vocabulary and not what its tokens mean.
inline constexpr const char* kUnknownTokenizer = "unknown";

struct DatasetMeta {
  std::string tokenizer = "char";  // Tokenizer::name(), or kUnknownTokenizer
  std::int64_t vocab_size = 0;
  std::u32string itos = {};         // of "char": token i is itos[i]
  std::string tokenizer_file = {};  // of a BPE other than the built-in one: the vocabulary's path
  std::string tokenizer_crc32c = {};
  std::int64_t token_bytes = 2;  // on disk: 2 (numpy's uint16), or 4 (uint32) for ids past 65535

  std::int64_t bytes = 0;          // of text, unpacked
  std::int64_t characters = 0;     // code points of the whole text
  std::int64_t documents = 0;      // in all
  std::int64_t val_documents = 0;  // where whole documents are for validation
  std::int64_t train_tokens = 0, val_tokens = 0;
  std::string train_crc32c = {}, val_crc32c = {};  // of train.bin and val.bin, eight hex digits
  std::string input_crc32c = {};                   // of the text's bytes
  // Where answers alone count: targets that do, and the checksums of train.mask and val.mask.
  std::int64_t train_counted = 0, val_counted = 0;
  std::string train_mask_crc32c = {}, val_mask_crc32c = {};
  std::string split = {}, eot = {};  // as settled: document, end; append, ...
  std::int64_t seed = 0;
  double val_fraction = 0;
  std::vector<std::string> sources = {};  // names of the files and folders given, no paths
  std::int64_t invalid_utf8 = 0;          // ill-formed sequences in the text
  std::int64_t skipped_rows = 0;          // that had no text

  // Where it was read from, and its text as JSON; empty for one that was not read.
  std::filesystem::path origin = {};
  std::string json = {};
};

// The part that says what tokens mean.
void describe_tokenizer(const Tokenizer& tokenizer, DatasetMeta& meta);

// The file's text. In ASCII: any code point of the vocabulary is safe in any editor or terminal.
std::string to_json(const DatasetMeta& meta);

// Of `folder`/meta.json, or a meta.pkl, which may hold less (see nanogpt_meta.h); its vocab_size
// may be larger than the tokenizer's that `json` describes. Nothing where there is neither (as in
// nanoGPT's openwebtext, whose tokens are GPT-2's). Only the tokenizer's keys must be there.
// InputError.
std::optional<DatasetMeta> read_dataset_meta(const std::filesystem::path& folder);

// Whether tokens mean the same under two texts of meta.json; no text stands for GPT-2's vocabulary.
bool same_vocabulary(std::string_view a, std::string_view b);

}  // namespace gpt
