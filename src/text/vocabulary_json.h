// The "vocab" object that encoder.json, vocab.json and tokenizer.json have in common.
#pragma once

#include <map>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "vocabulary_builder.h"

namespace gpt {

inline constexpr std::string_view kFetchAgain = "fetch it again";

// Adds all of {"token in GPT-2's letters": id, ...}. <|endoftext|>, the tokens in `special` and any
// that GPT-2's letters cannot write are special ones.
void add_vocab_json(const nlohmann::json& vocab, const std::string& origin,
                    const std::map<std::string, std::int64_t>& special, VocabularyBuilder& builder);

}  // namespace gpt
