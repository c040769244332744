// What is read, and how much of it makes a step.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct DataConfig {
  CONFIG(DataConfig);
  FIELD(std::string, dataset, "Folder below data_dir that holds train.bin and val.bin.",
        not_empty()) = "openwebtext";
  FIELD(std::int64_t, gradient_accumulation_steps, "Batches whose gradients make one step.",
        at_least(1)) = 5 * 8;
  FIELD(std::int64_t, batch_size, "Sequences in a batch.", at_least(1)) = 12;
  FIELD(std::int64_t, block_size, "Tokens in a sequence (context length).", at_least(1)) = 1024;
  FIELD(std::string, data_dir, "Folder that holds the datasets.", not_empty()) = "data";
  FIELD(
      std::string, train_files,
      "Token files to train on instead of the dataset's train.bin: a glob, or several with commas "
      "between; nanoGPT's or llm.c's .bin. With weights, as in 0.7:web/*.bin,0.3:code/*.bin, each "
      "sequence comes from one of them with that probability.",
      anything()) = "";
  FIELD(std::string, val_files, "The same for val.bin.", anything()) = "";
  FIELD(bool, verify_data,
        "Read train.bin and val.bin whole at the start and compare their checksums with "
        "meta.json's; their sizes are compared always.",
        anything()) = false;
  FIELD(std::string, data_order,
        "Where sequences begin: random as in nanoGPT; shuffle: each epoch has every window once, "
        "shifted and permuted by seed and epoch; sequential: one after the other.",
        one_of("random", "shuffle", "sequential")) = "random";
  FIELD(bool, document_mask, "Attention does not look beyond the <|endoftext|> before a token.",
        anything()) = false;
  FIELD(std::string, loss_mask,
        "auto: where prepare wrote a mask beside the tokens, only the targets it marks count; off: "
        "all count.",
        one_of("auto", "off")) = "auto";
  FIELD(AutoInt, micro_batch_size,
        "Sequences in one forward pass; the numbers do not depend on it. auto: the plan's.",
        auto_or_between(1, kMostTokens)) = {};
  FIELD(AutoInt, eval_batch_size,
        "Sequences in one forward pass of an evaluation. auto: the plan's.",
        auto_or_between(1, kMostTokens)) = {};
  END_CONFIG;
};

}  // namespace gpt
