// Every option of `gpttrain prepare`, once. Its inputs are positional arguments.
#pragma once

#include <cstdint>
#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct PrepareConfig {
  CONFIG(PrepareConfig);
  FIELD(std::string, out, "Folder to write train.bin, val.bin and meta.json to.", anything()) = "";
  FIELD(std::string, tokenizer,
        "How text becomes tokens: char (the text's own characters), gpt2, or a vocabulary's file.",
        not_empty()) = "char";
  FIELD(double, val_fraction,
        "Share of the text that becomes val.bin. 0: there is none; training then needs "
        "eval_interval=0.",
        between(0.0, 0.9)) = 0.1;
  FIELD(std::string, split,
        "What val.bin is: documents drawn with the seed, or the end of the text. auto: document "
        "where lines are documents or files are 1000 or more; end for char.",
        one_of("auto", "document", "end")) = "auto";
  FIELD(std::int64_t, seed, "Seed of the split by document.", at_least(0)) = 2357;
  FIELD(std::string, document,
        "What a document is: a file, a line, or a text in each JSON object of lines or an array. "
        "auto: jsonl for what holds JSON rows or is parquet, else file.",
        one_of("auto", "file", "line", "jsonl")) = "auto";
  FIELD(std::string, encoding,
        "Encoding of texts without a byte order mark, as iconv names it: cp1252, latin1, utf-16. "
        "auto: UTF-8.",
        not_empty()) = "auto";
  FIELD(std::string, text_key,
        "Key of the text in JSON rows, column in parquet; a.b is b in the object at a.",
        not_empty()) = "text";
  FIELD(std::string, text_template,
        "Text of a row from several keys, instead of text_key: '### Q: {question}\\n### A: "
        "{answer}'; {#key}...{/key} is left out where key is empty. Or the name of a shape of rows "
        "whose answers alone count: alpaca, prompt_completion, chat (messages or conversations).",
        anything()) = "";
  FIELD(std::string, answer_keys,
        "Keys of text_template, with commas between: only their text counts in the loss, and what "
        "follows the last of them to the document's end.",
        anything()) = "";
  FIELD(std::string, message_template,
        "Text of each message of chat rows; of the assistant's, what begins with {content} counts.",
        not_empty()) = "<|im_start|>{role}\\n{content}<|im_end|>\\n";
  FIELD(std::string, bad_rows, "What a row without such a text is: an error, or left out.",
        one_of("error", "skip")) = "error";
  FIELD(std::string, eot,
        "Where <|endoftext|> goes in each document: after it as in nanoGPT, before it as in llm.c. "
        "auto: append; none for a single text and for char.",
        one_of("auto", "none", "append", "prepend")) = "auto";
  FIELD(bool, added_tokens,
        "Make the name of an added token in the text (<|endoftext|>, <|user|>) that one token, as "
        "transformers does. False: ordinary text.",
        anything()) = false;
  FIELD(AutoInt, threads, "Threads; the result does not depend on them. auto: as in train.",
        auto_or_between(1, 1024)) = {};
  FIELD(bool, force, "Replace a dataset that is already there.", anything()) = false;
  FIELD(bool, restart, "Start over where an interrupted preparation could be resumed.",
        anything()) = false;
  END_CONFIG;
};

}  // namespace gpt
