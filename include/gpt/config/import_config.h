// Every option of `gpttrain import`, once. What it imports is a positional argument.
#pragma once

#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct ImportConfig {
  CONFIG(ImportConfig);
  FIELD(std::string, out_dir, "Run folder to write the checkpoint to. Empty: where the file is.",
        anything()) = "";
  FIELD(std::string, pretrained_dir,
        "Folder with OpenAI's weights as NAME/model.safetensors. Empty: the Hugging Face cache.",
        anything()) = "";
  FIELD(AutoInt, n_head,
        "Attention heads, where a file of weights does not say how many. auto: 64 columns a head.",
        auto_or_between(1, 1000)) = {};
  FIELD(
      std::string, gelu,
      "GELU, where a file of weights does not say which: exact or tanh. auto: by whose file it is.",
      one_of("auto", "exact", "tanh")) = "auto";
  FIELD(bool, optimizer, "Take AdamW's state too; False: the weights with a fresh optimizer.",
        anything()) = true;
  FIELD(std::string, data_dir, "Folder that holds the datasets.", not_empty()) = "data";
  FIELD(std::string, dataset,
        "Dataset whose vocabulary the model speaks. Empty: the one that ckpt.pt names.",
        anything()) = "";
  FIELD(bool, overwrite, "Where out_dir holds a run, move it aside.", anything()) = false;
  FIELD(bool, allow_nonfinite, "Take weights and optimizer state with NaN or infinity in them too.",
        anything()) = false;
  END_CONFIG;
};

}  // namespace gpt
