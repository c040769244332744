// Text to a dataset: train.bin, val.bin, their masks where rows have answers, and meta.json, as
// nanoGPT's data/*/prepare.py make them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gpt/dataprep/dataset_meta.h"
#include "gpt/dataprep/left_out.h"
#include "gpt/dataprep/text_chunk.h"
#include "gpt/text/tokenizer.h"

namespace gpt {

struct PrepareRequest {
  std::vector<std::filesystem::path> inputs = {};  // see find_source_files
  std::filesystem::path out_dir = {};
  std::shared_ptr<const Tokenizer> tokenizer = {};         // none: of the text's own characters
  std::string tokenizer_file = {}, tokenizer_crc32c = {};  // for meta.json
  double val_fraction = 0.1;                               // 0: no val.bin
  std::int64_t seed = 2357;                                // of the split by document
  std::string split = "auto";                              // document or end
  std::string document = "auto";                           // file, line or jsonl
  std::string encoding = "auto";                           // of texts without a byte order mark
  std::string text_key = "text";                           // of rows
  std::string text_template = {};                          // ... or several keys of them
  std::string answer_keys = {};  // of those the ones whose text counts, see RowPattern
  std::string message_template = "<|im_start|>{role}\n{content}<|im_end|>\n";  // of chat rows
  bool skip_bad_rows = false;
  std::string eot = "auto";   // none, append or prepend
  bool added_tokens = false;  // the names of added tokens in the text become them
  int threads = 0;            // 0: one for each core that may be used
  bool force = false;         // replace the dataset in out_dir
  bool restart = false;       // ... and what an interrupted preparation left
  double save_seconds = 5;    // between the states that an interrupted run can be resumed from
  std::function<bool()> stop = {};  // asked often; true: save and return
};

struct PrepareResult {
  DatasetMeta meta;
  std::int64_t files = 0;
  LeftOut left_out;           // of folders
  std::string first_invalid;  // where
  BadRows bad_rows;
  Tokenizer::AddedTokensFound added_tokens = {};  // in what this process read
};

// Tokenizes on all threads; the bytes written depend neither on their number nor on interruptions.
// Memory does not grow with the text. A character vocabulary needs the text twice: for its
// characters, then to encode it. What was skipped or not valid UTF-8 is logged.
//
// Nothing is returned if `stop` said so. Then, and after an error or a crash, the same request goes
// on where the last saved state was. InputError for bad inputs and for inputs that are not what the
// interrupted run read, IoError (with errno) if the dataset cannot be written, Error if a file
// changes meanwhile; what DatasetFolder promises of out_dir holds.
std::optional<PrepareResult> prepare(const PrepareRequest& request);

}  // namespace gpt
