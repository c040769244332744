// The options that `gpttrain sample` and `gpttrain eval` share: which model they open, how its
// tokens read, and where it computes.
#pragma once

#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct OpenConfig {
  CONFIG(OpenConfig);
  FIELD(
      std::string, init_from,
      "Where weights come from: out_dir's run (or nanoGPT's ckpt.pt in its folder), OpenAI's "
      "GPT-2, "
      "another run's folder, a checkpoint, a Hugging Face folder, a PyTorch, safetensors or llm.c "
      "file.",
      one_of_or_path("resume", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")) = "resume";
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
  FIELD(std::string, data_dir,
        "Folder that holds the datasets: there is the vocabulary of the one that a ckpt.pt names.",
        not_empty()) = "data";
  FIELD(std::string, out_dir, "Folder of the run.", not_empty()) = "out";
  FIELD(std::string, checkpoint,
        "latest, best, or a checkpoint's folder. auto: what nanoGPT's ckpt.pt would hold.",
        not_empty()) = "auto";
  FIELD(
      std::string, tokenizer,
      "gpt2, or a vocabulary file or folder, or a dataset's folder. Empty: the run's own, GPT-2's "
      "where it names none.",
      anything()) = "";
  FIELD(std::string, device, "Where to compute, as in train.", device_name()) = "cuda";
  FIELD(std::string, dtype, "Compute type. auto: as in train.",
        one_of("auto", "float32", "bfloat16", "float16")) = "auto";
  FIELD(std::string, memory_limit,
        "Most memory to take of the device; what does not fit is done in smaller pieces. auto: all "
        "that is there.",
        memory_size()) = "auto";
  FIELD(AutoInt, threads, "CPU threads. auto: as in train.", auto_or_between(1, 1024)) = {};
  END_CONFIG;
};

}  // namespace gpt
