// Every knob of `gpttrain eval`, once. Its inputs are positional arguments.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct EvalConfig {
  CONFIG(EvalConfig);
  FIELD(std::string, init_from,
        "Where weights come from: a run (or nanoGPT's ckpt.pt in its folder), OpenAI's GPT-2, a "
        "Hugging Face folder or a ckpt.pt.",
        one_of_or_path("resume", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")) = "resume";
  FIELD(std::string, pretrained_dir,
        "Folder with OpenAI's weights as NAME/model.safetensors. Empty: the Hugging Face cache.",
        anything()) = "";
  FIELD(std::string, data_dir,
        "Folder that holds the datasets: there is the vocabulary of the one that a ckpt.pt names.",
        not_empty()) = "data";
  FIELD(std::string, out_dir, "Folder of the run.", not_empty()) = "out";
  FIELD(std::string, checkpoint,
        "latest, best, or a checkpoint's folder. auto: what nanoGPT's ckpt.pt would hold.",
        not_empty()) = "auto";
  FIELD(std::string, task,
        "auto: *.bin is tokens or llm.c's HellaSwag, *.jsonl with endings is HellaSwag, anything "
        "else but *.jsonl is text.",
        one_of("auto", "tokens", "text", "hellaswag", "lambada")) = "auto";
  FIELD(std::string, style,
        "HellaSwag by llm.c: acc by sum, acc_norm by mean over tokens. By lm-eval: its cleaned "
        "texts, acc by sum, acc_norm by sum over characters.",
        one_of("llmc", "lm-eval")) = "llmc";
  FIELD(AutoInt, context, "Tokens that the model reads at once. auto: its block_size.",
        auto_or_at_least(1)) = {};
  FIELD(AutoInt, stride,
        "Tokens by which the window over a text moves; less is slower and kinder. auto: context.",
        auto_or_at_least(1)) = {};
  FIELD(bool, score_first, "Score a text's first token too, after <|endoftext|>, as lm-eval does.",
        anything()) = false;
  FIELD(AutoInt, eval_batch_size,
        "Texts or windows at a time. auto: about 8192 tokens of them, fewer if memory runs out.",
        auto_or_at_least(1)) = {};
  FIELD(AutoInt, head_chunk, "Tokens whose logits exist at once. auto: chosen for the vocabulary.",
        auto_or_at_least(1)) = {};
  FIELD(
      std::string, tokenizer,
      "gpt2, or a vocabulary file or folder, or a dataset's folder. Empty: the run's own, GPT-2's "
      "where it names none.",
      anything()) = "";
  FIELD(bool, json, "Print a JSON object for each input.", anything()) = false;
  FIELD(std::string, device, "Where to compute; without a GPU the CPU is used.",
        device_name()) = "cuda";
  FIELD(std::string, dtype, "Compute type. auto: as in train.",
        one_of("auto", "float32", "bfloat16", "float16")) = "auto";
  FIELD(std::string, memory_limit,
        "Most memory to take of the device; what does not fit is done in smaller pieces. auto: all "
        "that is there.",
        memory_size()) = "auto";
  FIELD(AutoInt, threads, "CPU threads. auto: one per core.", auto_or_between(1, 1024)) = {};
  END_CONFIG;
};

}  // namespace gpt
