// Text to a dataset: train.bin, val.bin and meta.json, as nanoGPT's data/shakespeare_char makes it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "gpt/corpus/dataset_meta.h"

namespace gpt {

struct PrepareRequest {
  std::vector<std::filesystem::path> inputs = {};  // files and folders; see find_source_files
  std::filesystem::path out_dir = {};
  double val_fraction = 0.1;  // of the characters, at the text's end
  bool force = false;         // replace the dataset in out_dir
};

struct PrepareResult {
  DatasetMeta meta;
  std::uint64_t bytes = 0;  // of text read
  std::int64_t files = 0;
  std::int64_t skipped_empty = 0, skipped_binary = 0;
};

// Reads the text twice: for its characters, then to encode it. Memory does not grow with the text.
// Tokens are little-endian uint16. What was skipped or not valid UTF-8 is logged. InputError for
// bad inputs, IoError (with errno) if the dataset cannot be written, Error if a file changes
// between the readings; what DatasetFolder promises of out_dir holds.
PrepareResult prepare(const PrepareRequest& request);

// int(characters * (1 - val_fraction)) in doubles, as Python computes nanoGPT's int(n * 0.9).
std::int64_t train_token_count(std::int64_t characters, double val_fraction);

}  // namespace gpt
