// A character vocabulary as a Hugging Face tokenizer: WordLevel, whose words are the characters
// that a Split cuts the text into.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"
#include "gpt/text/char_tokenizer.h"
#include "gpt/text/utf8.h"

#include "tokenizer_json.h"
#include "vocabulary_builder.h"
#include "vocabulary_json.h"

namespace gpt {

namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kAnyCharacter = R"([\s\S])";

ordered_json split_into_characters() {
  return {{"type", "Split"},
          {"pattern", {{"Regex", kAnyCharacter}}},
          {"behavior", "Isolated"},
          {"invert", false}};
}

void expect_characters(const json& file, const std::string& origin) {
  expect_json(file, "normalizer", {nullptr}, origin + ": ");
  expect_json(file, "added_tokens", {json::array(), nullptr}, origin + ": ");
  const json& split = json_member(file, "pre_tokenizer", origin);
  const std::string place = origin + ": pre_tokenizer.";
  expect_json(split, "type", {"Split"}, place);
  expect_json(split, "pattern",
              {{{"Regex", kAnyCharacter}}, {{"Regex", R"((?s:.))"}}, {{"String", ""}}}, place);
  expect_json(split, "behavior", {"Isolated"}, place);
}

std::u32string read_characters(const json& vocab, const std::string& place) {
  if (!vocab.is_object() || vocab.empty() || vocab.size() > CharTokenizer::kMaxVocabulary)
    throw InputError(concat(place, ": expected 1 to ", CharTokenizer::kMaxVocabulary,
                            " characters and their ids", kOtherTokenizer));
  std::u32string characters(vocab.size(), U'\0');
  std::vector<bool> seen(vocab.size(), false);
  for (const auto& [name, id] : vocab.items()) {
    const std::u32string text = from_utf8(name);
    const bool counted = id.is_number_integer() && id >= 0 && id < vocab.size();
    if (text.size() != 1 || !counted || seen[id.get<std::size_t>()])
      throw InputError(concat(place, ": expected each a character and an id from 0 to ",
                              vocab.size() - 1, ", found ", shown_json(name), ": ", shown_json(id),
                              kOtherTokenizer));
    characters[id.get<std::size_t>()] = text[0];
    seen[id.get<std::size_t>()] = true;
  }
  return characters;
}

}  // namespace

std::string CharTokenizer::tokenizer_json() const {
  std::vector<std::string> names;
  for (const char32_t character : characters_) names.push_back(to_utf8({&character, 1}));
  // A text with another character is refused, as here: nothing stands for the unknown.
  return tokenizer_json_text(
      {.added_tokens = ordered_json::array(),
       .pre_tokenizer = split_into_characters(),
       .post_processor = ordered_json(),
       .decoder = ordered_json{{"type", "Fuse"}},
       .model = ordered_json{
           {"type", "WordLevel"}, {"vocab", vocab_object(names)}, {"unk_token", "<unk>"}}});
}

CharTokenizer CharTokenizer::from_tokenizer_json(std::string_view text, const std::string& origin) {
  const json file = parse_json(text, origin, kFetchAgain);
  const json& model = json_member(file, "model", origin);
  expect_json(model, "type", {"WordLevel"}, origin + ": model.");
  expect_characters(file, origin);
  const std::u32string characters =
      read_characters(json_member(model, "vocab", origin), origin + ": model.vocab");
  std::u32string sorted = characters;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    throw InputError(concat(origin, ": model.vocab: holds a character twice", kOtherTokenizer));
  return CharTokenizer(characters);
}

}  // namespace gpt
