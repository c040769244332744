// The two splits a run reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "gpt/config/train_config.h"
#include "gpt/data/token_file.h"

namespace gpt {

struct Dataset {
  TokenFile train, val;         // without a val.bin, val is train and nobody evaluates on it
  std::int64_t vocab_size;      // settled: the config's, the dataset's, or 50304
  std::string vocabulary_json;  // meta.json's text (made of a meta.pkl), or "" if there is none
};

// data_dir/dataset/{train.bin,val.bin,meta.json or meta.pkl}, or what train_files and val_files
// list, with the meta that lies next to the first of them. Without evaluations (eval_interval=0) no
// val.bin is needed. InputError says what is missing and how to make it. A vocab_size in the config
// wins over the dataset's. A train.bin or val.bin of another size than meta.json says (with
// verify_data: of other contents) is an error.
Dataset open_dataset(const TrainConfig& config);

// Of the whole text, as its meta.json says; nothing where it does not.
std::optional<double> bytes_per_token(const Dataset& dataset);

// The token file, or the pattern, that open_dataset would look for first and not find; "" if all
// are there.
std::string missing_data(const TrainConfig& config);

}  // namespace gpt
