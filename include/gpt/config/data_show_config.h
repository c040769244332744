// What `gpttrain data show` takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpt/config/check.h"
#include "gpt/config/field.h"
#include "gpt/config/option.h"

namespace gpt {

struct DataShowConfig {
  CONFIG(DataShowConfig);
  FIELD(std::int64_t, offset, "Number of the first token, as logs name it.", at_least(0)) = 0;
  FIELD(std::int64_t, tokens, "Tokens to show: a block_size of them is what a sequence has.",
        between(1, 1 << 20)) = 256;
  FIELD(std::string, split, "Which of the dataset's files.", one_of("train", "val")) = "train";
  FIELD(std::string, dataset, "Folder below data_dir that holds train.bin and val.bin.",
        not_empty()) = "openwebtext";
  FIELD(std::string, data_dir, "Folder that holds the datasets.", not_empty()) = "data";
  FIELD(std::string, train_files, "Token files instead of train.bin, as in train.",
        anything()) = "";
  FIELD(std::string, val_files, "The same for val.bin.", anything()) = "";
  FIELD(std::int64_t, source, "Which of several weighted train_files, from 1.", at_least(1)) = 1;
  FIELD(std::string, tokenizer,
        "How tokens read: a dataset's folder, a vocabulary file or gpt2. Empty: as the meta.json "
        "next to the tokens says.",
        anything()) = "";
  END_CONFIG;
};

std::vector<Option> options_of(DataShowConfig& config);

}  // namespace gpt
