#include "gpt/text/char_tokenizer.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"
#include "gpt/text/utf8.h"

namespace gpt {

namespace {

using nlohmann::json;

std::string code_point_name(char32_t code) {
  const auto number = static_cast<unsigned>(code);
  if (code > U' ' && code < 0x7F) return format("'%c' (U+%04X)", static_cast<char>(code), number);
  return format("U+%04X", number);
}

void expect(const json& meta, const char* key, const json& wanted, const std::string& origin) {
  const json value = meta.value(key, json());
  if (value != wanted)
    throw InputError(concat(origin, ": ", key, ": expected ", shown_json(wanted), ", found ",
                            meta.contains(key) ? shown_json(value) : "nothing"));
}

char32_t character_of(const json& entry, std::size_t index, const std::string& origin) {
  const std::u32string text =
      entry.is_string() ? from_utf8(entry.get_ref<const std::string&>()) : std::u32string();
  if (text.size() != 1)
    throw InputError(concat(origin, ": itos[", index, "]: expected a text of one character, found ",
                            shown_json(entry)));
  return text[0];
}

std::u32string read_itos(const json& itos, const std::string& origin) {
  std::u32string characters;
  std::vector<std::size_t> first_use(0x110000, CharTokenizer::kMaxVocabulary);
  for (const json& entry : itos) {
    const std::size_t index = characters.size();
    const char32_t character = character_of(entry, index, origin);
    if (first_use[character] < index)
      throw InputError(concat(origin, ": itos[", index, "]: ", code_point_name(character),
                              " is already itos[", first_use[character], "]"));
    first_use[character] = index;
    characters.push_back(character);
  }
  return characters;
}

}  // namespace

CharTokenizer::CharTokenizer(std::u32string characters) : characters_(std::move(characters)) {
  if (characters_.empty() || characters_.size() > kMaxVocabulary)
    throw Error(concat("a character vocabulary holds 1 to ", kMaxVocabulary, " characters, not ",
                       characters_.size()));
  token_of_.assign(*std::max_element(characters_.begin(), characters_.end()) + 1, -1);
  for (std::size_t i = 0; i < characters_.size(); ++i) {
    std::int32_t& token = token_of_[characters_[i]];
    if (token >= 0)
      throw Error(concat("a character vocabulary holds ", code_point_name(characters_[i]),
                         " twice, as tokens ", token, " and ", i));
    token = static_cast<std::int32_t>(i);
  }
}

CharTokenizer CharTokenizer::from_json(std::string_view text, const std::string& origin) {
  const json meta = parse_json(text, origin, "write it again with gpttrain prepare");
  if (!meta.is_object())
    throw InputError(concat(origin, ": expected a JSON object, found ", shown_json(meta)));
  expect(meta, "format", "gpttrain-meta", origin);
  expect(meta, "version", 1, origin);
  expect(meta, "tokenizer", "char", origin);
  const json itos = meta.value("itos", json());
  if (!itos.is_array() || itos.empty() || itos.size() > kMaxVocabulary)
    throw InputError(concat(origin, ": itos: expected a list of 1 to ", kMaxVocabulary,
                            " characters, found ",
                            itos.is_array() ? concat(itos.size(), " entries") : shown_json(itos)));
  expect(meta, "vocab_size", itos.size(), origin);
  return CharTokenizer(read_itos(itos, origin));
}

std::int64_t CharTokenizer::append_ids(std::string_view text, const std::string& origin,
                                       std::vector<std::int32_t>& ids, const EncodeOptions&) const {
  Utf8Decoder decoder;
  std::u32string characters;
  decoder.decode(text, characters);
  decoder.finish(characters);
  ids.reserve(ids.size() + characters.size());
  for (std::size_t i = 0; i < characters.size(); ++i) {
    const auto token = token_of(characters[i]);
    if (!token)
      throw InputError(concat(origin, ": character ", i + 1, " is ", code_point_name(characters[i]),
                              characters[i] == kReplacement ? " or invalid UTF-8" : "",
                              ", which is not among the ", vocab_size(),
                              " characters of the vocabulary; leave it out"));
    ids.push_back(*token);
  }
  return decoder.invalid_count();
}

void CharTokenizer::append_text(std::int64_t id, std::string& bytes) const {
  const bool known = id >= 0 && id < vocab_size();
  append_utf8(known ? characters_[static_cast<std::size_t>(id)] : kReplacement, bytes);
}

// A sequence has at most four bytes, so only a lead byte among the last four can lack its rest.
std::size_t CharTokenizer::safe_cut(std::string_view text, const EncodeOptions&) const {
  for (std::size_t back = 1; back <= std::min<std::size_t>(text.size(), 4); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if (byte < 0x80) break;
    if (byte >= 0xC0) return text.size() - back;
  }
  return text.size();
}

}  // namespace gpt
