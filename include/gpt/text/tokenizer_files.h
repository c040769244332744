// Where tokenizers come from: a name, a file, or what a dataset says of itself.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "gpt/text/tokenizer.h"

namespace gpt {

// GPT-2's vocabulary, where scripts/setup puts it: gpt2.tiktoken in the cache folder (see
// gpt/base/user_folders.h). Empty where no such folder is known.
std::filesystem::path gpt2_vocabulary_file();

// "gpt2": the file above; anything else is the path of a vocabulary file or of its folder (see
// read_bpe_vocabulary). InputError says what to do where there is none.
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& name_or_path);

// The tokenizer that made a dataset's ids, from its meta.json, which checkpoints keep: "tokenizer"
// is "char" with "itos", "gpt2", or "bpe" with "tokenizer_file", a path; "vocab_size" must fit.
// "unknown" is an error that says what to give.
// `origin` names the text in errors. InputError.
std::unique_ptr<Tokenizer> tokenizer_of_meta(std::string_view meta_json, const std::string& origin);

}  // namespace gpt
