// HellaSwag (Zellers et al. 2019): a context and four endings, one of them right.
#pragma once

#include <filesystem>
#include <vector>

#include "gpt/eval/choices.h"
#include "gpt/text/tokenizer.h"

namespace gpt {

// kLlmc: context "ctx", then " " and an ending, each tokenized alone, as llm.c's hellaswag.py.
// kLmEval: context "activity_label: ctx_a Ctx_b" and endings cleaned of WikiHow's brackets, joined
// by a space and tokenized as one text, as EleutherAI's lm-evaluation-harness.
enum class HellaswagStyle { kLlmc, kLmEval };

// One object a line: ctx (or activity_label, ctx_a, ctx_b), endings, label (a number, or its text).
// InputError names file and line.
std::vector<ChoiceExample> read_hellaswag_jsonl(const std::filesystem::path& path,
                                                const Tokenizer& tokenizer, HellaswagStyle style);

// llm.c's file: int32[256] header (magic 20240522, version 1, examples, longest example in bytes),
// then uint16 for each example: 65535, its bytes, index, label, endings, tokens of the context and
// the tokens, tokens of an ending and the tokens for each. With a tokenizer the endings' characters
// are counted (without the space before them). InputError names file and example.
std::vector<ChoiceExample> read_hellaswag_bin(const std::filesystem::path& path,
                                              std::int64_t vocab_size, const Tokenizer* tokenizer);
bool is_hellaswag_bin(const std::filesystem::path& path);

// lm-eval's clean-up of a text: stripped, " [title]" becomes ". ", other brackets and what is in
// them go, double spaces become single.
std::string hellaswag_cleaned(std::string text);

}  // namespace gpt
