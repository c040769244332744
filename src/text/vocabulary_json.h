// What the readers of Hugging Face's JSON files share.
#pragma once

#include <initializer_list>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "gpt/text/pre_tokenizer.h"

namespace gpt {

// What to do about a tokenizer that this program cannot play exactly.
inline constexpr const char* kOtherTokenizer =
    "; change it there, or give another vocabulary with --tokenizer=FILE (training on tokens that "
    "are ready needs none)";

// The value at `key` must be one of `allowed`; one that is missing counts as null. InputError names
// `place` + key, what was expected and what was found.
void expect_json(const nlohmann::json& object, const char* key,
                 std::initializer_list<nlohmann::json> allowed, const std::string& place);

// InputError if it is missing.
const nlohmann::json& json_member(const nlohmann::json& object, const char* key,
                                  const std::string& origin);

// Of tokenizer.json: ByteLevel, or a Sequence of Digits, Split and ByteLevel, as far as what it
// does can be done exactly. InputError names what cannot.
PreTokenizer read_pre_tokenizer(const nlohmann::json& json, const std::string& origin);

}  // namespace gpt
