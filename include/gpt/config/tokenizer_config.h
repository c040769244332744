// Every option of `gpttrain tokenizer train`, once. Its texts are positional arguments.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gpt/config/check.h"
#include "gpt/config/field.h"
#include "gpt/config/option.h"

namespace gpt {

struct TokenizerTrainConfig {
  CONFIG(TokenizerTrainConfig);
  FIELD(std::string, out, "Folder to write tokenizer.json, vocab.json and merges.txt to.",
        anything()) = "";
  FIELD(std::int64_t, vocab_size, "Tokens in all, with the 256 bytes and <|endoftext|>.",
        between(257, 2000000)) = 50257;
  FIELD(std::int64_t, min_frequency, "Merge no pair that occurs less often in the text.",
        at_least(0)) = 0;
  FIELD(bool, lines,
        "Cut each line into words by itself, as tokenizers' train(files) does, so that no token "
        "holds two newlines. False: the text as a whole.",
        anything()) = true;
  FIELD(std::string, document, "What a document is, as in prepare.",
        one_of("auto", "file", "line", "jsonl")) = "auto";
  FIELD(std::string, text_key, "Key of the text in JSON lines, column in parquet.",
        not_empty()) = "text";
  FIELD(AutoInt, threads, "Threads; the result does not depend on them. auto: as in train.",
        auto_or_between(1, 1024)) = {};
  FIELD(bool, force, "Replace a tokenizer that is already there.", anything()) = false;
  END_CONFIG;
};

std::vector<Option> options_of(TokenizerTrainConfig& config);

}  // namespace gpt
