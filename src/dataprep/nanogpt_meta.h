// nanoGPT's meta.pkl, and what other people's prepare scripts write under that name.
#pragma once

#include <filesystem>

#include "gpt/dataprep/dataset_meta.h"

namespace gpt {

// train.py reads vocab_size alone, and so does this: whatever else is there may be missing or of
// another kind. Characters (itos as a dict or a list, or stoi; special tokens may follow them) and
// GPT-2's encoding become that tokenizer; else it is "unknown". Nothing in the file is run.
// InputError if it is no pickle of plain values and numpy's numbers, or says no size.
DatasetMeta read_nanogpt_meta(const std::filesystem::path& path);

}  // namespace gpt
