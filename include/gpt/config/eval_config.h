// Every option of `gpttrain eval`, once. Its inputs are positional arguments.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"
#include "gpt/config/open_config.h"

namespace gpt {

struct EvalConfig {
  OpenConfig open;

  CONFIG(EvalConfig);
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
  FIELD(std::string, loss_mask,
        "auto: where a .mask lies beside a .bin of tokens, the loss is of those that count, and "
        "that of the others stands apart. off: all count.",
        one_of("auto", "off")) = "auto";
  FIELD(AutoInt, eval_batch_size,
        "Texts or windows at a time. auto: about 8192 tokens of them, fewer if memory runs out.",
        auto_or_between(1, kMostTokens)) = {};
  FIELD(AutoInt, head_chunk, "Tokens whose logits exist at once. auto: chosen for the vocabulary.",
        auto_or_between(1, kMostTokens)) = {};
  FIELD(bool, json, "Print a JSON object for each input.", anything()) = false;
  END_CONFIG;
};

}  // namespace gpt
