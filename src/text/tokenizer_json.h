// The frame of a tokenizer.json, which all kinds of tokenizers have in common.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace gpt {

struct TokenizerJson {
  const nlohmann::ordered_json &added_tokens, &pre_tokenizer, &post_processor, &decoder, &model;
};
std::string tokenizer_json_text(const TokenizerJson& parts);

// {"name": its place, ...} of those that are not empty, without looking for each name in the
// object.
nlohmann::ordered_json vocab_object(const std::vector<std::string>& names);

}  // namespace gpt
