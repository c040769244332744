// nanoGPT's meta.pkl: {"vocab_size": 65, "itos": {0: "\n", ...}, "stoi": {"\n": 0, ...}}.
#pragma once

#include <filesystem>

#include "gpt/text/char_tokenizer.h"

namespace gpt {

// InputError if it is no such thing or contradicts itself.
CharTokenizer read_meta_pickle(const std::filesystem::path& path);

}  // namespace gpt
