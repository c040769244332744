// tokenizer.json, and what it has in common with vocab.json.
#include "vocabulary_json.h"

#include <algorithm>
#include <array>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/json.h"
#include "gpt/base/log.h"
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

void expect_byte_level_bpe(const json& file, const json& model, const std::string& origin) {
  const json empty_sequence = {{"type", "Sequence"}, {"normalizers", json::array()}};
  expect_json(file, "normalizer", {nullptr, empty_sequence}, origin + ": ");
  const std::string in_model = origin + ": model.";
  expect_json(model, "dropout", {nullptr, 0.0}, in_model);
  expect_json(model, "continuing_subword_prefix", {"", nullptr}, in_model);
  expect_json(model, "end_of_word_suffix", {"", nullptr}, in_model);
  expect_json(model, "byte_fallback", {false, nullptr}, in_model);
  expect_json(model, "ignore_merges", {false, true, nullptr}, in_model);
  expect_json(model, "fuse_unk", {false, true, nullptr}, in_model);
}

// Hugging Face puts the tokens of a template around a text that is encoded as a whole; a prompt and
// a document are continued, so they are left out.
void say_what_is_left_out(const json& file, const std::string& origin) {
  const json found = file.value("post_processor", json());
  const json type = found.is_object() ? found.value("type", json()) : json();
  if (found.is_null() || type == "ByteLevel") return;
  log_warning(concat(origin, ": its post_processor, ", shown_json(type),
                     ", is not applied: no special tokens are put around a text"));
}

void add_added_tokens(const json& file, const std::string& origin, VocabularyBuilder& builder) {
  const std::string place = origin + ": added_tokens";
  const json tokens = file.value("added_tokens", json::array());
  if (!tokens.is_array() && !tokens.is_null())
    throw InputError(concat(place, ": expected a list, found ", shown_json(tokens)));
  for (const json& token : tokens)
    builder.add_added(read_added_token(token, place),
                      id_from(json_member(token, "id", place), place), origin);
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

void read_unknown(const json& model, const std::string& origin, const VocabularyBuilder& builder,
                  BpeVocabulary& vocabulary) {
  vocabulary.fuse_unknown = model.value("fuse_unk", json(false)) == true;
  const json unknown = model.value("unk_token", json());
  if (unknown.is_null() || vocabulary.missing_bytes() == 0) return;
  if (unknown.is_string()) vocabulary.unknown = builder.find(unknown.get<std::string>());
  if (!vocabulary.unknown)
    throw InputError(concat(origin, ": model.unk_token: ", shown_json(unknown),
                            " is not in the vocabulary", kOtherTokenizer));
}

}  // namespace

void expect_json(const json& object, const char* key, std::initializer_list<json> allowed,
                 const std::string& place) {
  const json found = object.is_object() ? object.value(key, json()) : json();
  if (std::find(allowed.begin(), allowed.end(), found) != allowed.end()) return;
  throw InputError(concat(place, key, ": expected ", shown_json(*allowed.begin()), ", found ",
                          shown_json(found), ", which is not known here", kOtherTokenizer));
}

const json& json_member(const json& object, const char* key, const std::string& origin) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end())
    throw InputError(
        concat(origin, ": \"", key, "\" is missing; expected a Hugging Face tokenizer"));
  return *found;
}

AddedToken read_added_token(const json& token, const std::string& place) {
  const json& content = json_member(token, "content", place);
  if (!content.is_string())
    throw InputError(concat(place, ": expected a text, found ", shown_json(content)));
  const auto flag = [&](const char* key, bool otherwise) {
    expect_json(token, key, {false, true, nullptr}, place + ": ");
    return token.value(key, json(otherwise)) == true;
  };
  AddedToken read{.content = content.get<std::string>(), .special = flag("special", false)};
  read.normalized = flag("normalized", !read.special);
  read.single_word = flag("single_word", false);
  read.lstrip = flag("lstrip", false);
  read.rstrip = flag("rstrip", false);
  return read;
}

void add_vocab_json(const json& vocab, const std::string& origin, VocabularyBuilder& builder) {
  if (!vocab.is_object())
    throw InputError(concat(origin, ": expected {\"token\": id, ...}, found ", shown_json(vocab)));
  std::int64_t number = 0;
  for (const auto& [name, value] : vocab.items()) {
    const EntryPlace place{origin, "entry", ++number};
    const std::int64_t id =
        value.is_number_integer() ? value.get<std::int64_t>() : id_from(value, place.text());
    if (auto bytes = bytes_of_letters(name))
      builder.add_token(std::move(*bytes), id, place);
    else
      builder.add_name(name, id, place);
  }
}

BpeVocabulary parse_tokenizer_json(std::string_view text, const std::string& origin,
                                   const TokenizerSettings& settings) {
  const json file = parse_json(text, origin, kFetchAgain);
  if (!file.is_object())
    throw InputError(concat(origin, ": expected a JSON object, found ", shown_json(file)));
  const json& model = json_member(file, "model", origin);
  // First: what else could be said of other kinds is no help.
  expect_json(model, "type", {"BPE"}, origin + ": model.");
  const PreTokenizer pre_tokenizer =
      read_pre_tokenizer(json_member(file, "pre_tokenizer", origin), origin);
  expect_byte_level_bpe(file, model, origin);
  VocabularyBuilder builder;
  add_vocab_json(json_member(model, "vocab", origin), origin, builder);
  add_added_tokens(file, origin, builder);
  for (const auto& [token, id] : settings.added)
    if (id || builder.find(token.content)) builder.add_added(token, id, origin);
  std::int64_t number = 0;
  for (const json& merge : json_member(model, "merges", origin)) {
    const EntryPlace place{origin, "merge", ++number};
    const auto [left, right] = read_merge(merge, place);
    builder.add_merge(left, right, place);
  }
  BpeVocabulary vocabulary = builder.finish(origin, {.end_of_text = settings.end_of_text});
  vocabulary.pre_tokenizer = pre_tokenizer;
  if (model.value("ignore_merges", json(false)) == true) vocabulary.words = builder.words();
  read_unknown(model, origin, builder, vocabulary);
  say_what_is_left_out(file, origin);
  return vocabulary;
}

}  // namespace gpt
