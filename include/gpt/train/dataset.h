// The two splits a run reads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gpt/config/train_config.h"
#include "gpt/data/token_file.h"
#include "gpt/data/window_order.h"

namespace gpt {

// Tokens to train on: all of them, or one part of a mixture.
struct TrainingSource {
  std::string name;  // for logs
  TokenFile tokens;
  double share = 1;  // of the sequences that are trained on; all add up to 1
};

struct Dataset {
  std::vector<TrainingSource> train;
  TokenFile val;                // without a val.bin, the first of train; nobody evaluates on it
  std::int64_t vocab_size;      // settled: the config's, the dataset's, or 50304
  std::string vocabulary_json;  // meta.json's text (made of a meta.pkl), or "" if there is none
  // The same of the text that losses are told in bits a byte of.
  std::string text_json = vocabulary_json;
  // With document_mask, the token that ends a document.
  std::optional<std::int64_t> document_end = {};
};

// data_dir/dataset/{train.bin,val.bin,meta.json or meta.pkl}, or what train_files and val_files
// list, with the meta that lies next to the first of them; sources of a mixture must have the same
// vocabulary. Without evaluations (eval_interval=0) no val.bin is needed. InputError says what is
// missing and how to make it. A vocab_size in the config wins over the dataset's. A train.bin or
// val.bin of another size than meta.json says (with verify_data: of other contents) is an error.
Dataset open_dataset(const TrainConfig& config);

// The token that ends a document, in the vocabulary of a meta.json's text ("": GPT-2's), which
// `origin` names. InputError if there is none below vocab_size.
std::int64_t end_of_documents(const std::string& vocabulary_json, std::int64_t vocab_size,
                              const std::string& origin);

// Of the whole text, as its meta.json says; nothing where it does not.
std::optional<double> bytes_per_token(const Dataset& dataset);

// Train or val alone, for looking at it: any block_size will do.
std::vector<TrainingSource> open_split(const TrainConfig& config, bool val);

// The folder whose meta.json or meta.pkl says what the tokens of train mean.
fs::path meta_folder(const DataConfig& data);

// "data/web/train.bin:4096", as `gpttrain data show --train_files=... --offset=...` takes it.
std::string window_name(const Dataset& dataset, const Window& window);

// The sizes of train's sources.
std::vector<std::int64_t> source_tokens(const Dataset& dataset);
// And their shares, for WindowOrder.
std::vector<WindowOrder::Source> source_sizes(const Dataset& dataset);

// The token file, or the pattern, that open_dataset would look for first and not find; "" if all
// are there.
std::string missing_data(const TrainConfig& config);

}  // namespace gpt
