#include <algorithm>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"
#include "gpt/text/tokenizer.h"

#include "byte_alphabet.h"
#include "vocabulary_builder.h"

namespace gpt {

namespace {

using nlohmann::json;

std::int64_t id_from(const json& value, const std::string& place) {
  if (!value.is_number_integer())
    throw InputError(concat(place, ": expected an id, found ", shown_json(value)));
  return value.get<std::int64_t>();
}

// The value at `key` must be one of `allowed`; one that is missing counts as null.
void expect(const json& object, const char* key, std::initializer_list<json> allowed,
            const std::string& place) {
  const json found = object.is_object() ? object.value(key, json()) : json();
  if (std::find(allowed.begin(), allowed.end(), found) != allowed.end()) return;
  throw InputError(concat(place, key, ": expected ", shown_json(*allowed.begin()), ", found ",
                          shown_json(found), "; only GPT-2's kind of tokenizer is known"));
}

const json& member(const json& object, const char* key, const std::string& origin) {
  const auto found = object.find(key);
  if (found == object.end())
    throw InputError(
        concat(origin, ": \"", key, "\" is missing; expected a Hugging Face tokenizer"));
  return *found;
}

void expect_gpt2_kind(const json& file, const std::string& origin) {
  expect(file, "normalizer", {nullptr}, origin + ": ");
  const json& pre_tokenizer = member(file, "pre_tokenizer", origin);
  const std::string pre = origin + ": pre_tokenizer.";
  expect(pre_tokenizer, "type", {"ByteLevel"}, pre);
  expect(pre_tokenizer, "add_prefix_space", {false, nullptr}, pre);
  expect(pre_tokenizer, "use_regex", {true, nullptr}, pre);
  const json& model = member(file, "model", origin);
  const std::string in_model = origin + ": model.";
  expect(model, "type", {"BPE"}, in_model);
  expect(model, "dropout", {nullptr}, in_model);
  expect(model, "continuing_subword_prefix", {"", nullptr}, in_model);
  expect(model, "end_of_word_suffix", {"", nullptr}, in_model);
  expect(model, "byte_fallback", {false, nullptr}, in_model);
  expect(model, "ignore_merges", {false, nullptr}, in_model);
}

std::map<std::string, std::int64_t> read_added_tokens(const json& file, const std::string& origin) {
  std::map<std::string, std::int64_t> added;
  const json tokens = file.value("added_tokens", json::array());
  for (const json& token : tokens) {
    const std::string place = origin + ": added_tokens";
    const json& content = member(token, "content", place);
    if (!content.is_string())
      throw InputError(concat(place, ": expected a text, found ", shown_json(content)));
    added[content.get<std::string>()] = id_from(member(token, "id", place), place);
  }
  return added;
}

// "a b" or ["a", "b"].
std::array<std::string, 2> read_merge(const json& merge, const EntryPlace& place) {
  std::array<std::string, 2> parts;
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    parts = {merge[0].get<std::string>(), merge[1].get<std::string>()};
  } else if (merge.is_string()) {
    const std::string text = merge.get<std::string>();
    const std::size_t space = text.find(' ');
    if (space != text.npos) parts = {text.substr(0, space), text.substr(space + 1)};
  }
  for (std::string& part : parts) {
    const auto bytes = bytes_of_letters(part);
    if (!bytes || bytes->empty())
      throw InputError(concat(place.text(), ": expected two tokens in GPT-2's letters, found ",
                              shown_json(merge)));
    part = *bytes;
  }
  return parts;
}

}  // namespace

void add_vocab_json(const json& vocab, const std::string& origin,
                    const std::map<std::string, std::int64_t>& special,
                    VocabularyBuilder& builder) {
  if (!vocab.is_object())
    throw InputError(concat(origin, ": expected {\"token\": id, ...}, found ", shown_json(vocab)));
  std::int64_t number = 0;
  for (const auto& [name, value] : vocab.items()) {
    const EntryPlace place{origin, "entry", ++number};
    const std::int64_t id =
        value.is_number_integer() ? value.get<std::int64_t>() : id_from(value, place.text());
    const auto bytes = bytes_of_letters(name);
    if (!bytes || name == Tokenizer::kEndOfText || special.contains(name))
      builder.add_special(name, id, place);
    else
      builder.add_token(*bytes, id, place);
  }
}

BpeVocabulary parse_tokenizer_json(std::string_view text, const std::string& origin) {
  const json file = parse_json(text, origin, kFetchAgain);
  if (!file.is_object())
    throw InputError(concat(origin, ": expected a JSON object, found ", shown_json(file)));
  expect_gpt2_kind(file, origin);
  const json& vocab = member(member(file, "model", origin), "vocab", origin);
  const auto special = read_added_tokens(file, origin);
  VocabularyBuilder builder;
  add_vocab_json(vocab, origin, special, builder);
  for (const auto& [name, id] : special)
    if (!vocab.contains(name)) builder.add_special(name, id, {origin, "added token", id});
  std::int64_t number = 0;
  for (const json& merge : member(member(file, "model", origin), "merges", origin)) {
    const EntryPlace place{origin, "merge", ++number};
    const auto [left, right] = read_merge(merge, place);
    builder.add_merge(left, right, place);
  }
  return builder.finish(origin);
}

}  // namespace gpt
