// tokenizer_config.json, special_tokens_map.json and added_tokens.json, as far as they say which
// tokens are found by their names and how a text begins.
#include <algorithm>
#include <charconv>

#include <nlohmann/json.hpp>

#include "gpt/base/error.h"
#include "gpt/base/json.h"
#include "gpt/base/strings.h"
#include "gpt/text/bpe_vocabulary.h"

#include "vocabulary_builder.h"

namespace gpt {

namespace {

using nlohmann::json;

// A special token is given by its name or as an object.
std::optional<AddedToken> special_token(const json& value, const std::string& place) {
  if (value.is_string()) return AddedToken{.content = value.get<std::string>()};
  if (!value.is_object() || !value.contains("content")) return std::nullopt;
  AddedToken token = read_added_token(value, place);
  token.special = true;
  return token;
}

void add(TokenizerSettings& settings, AddedToken token, std::optional<std::int64_t> id) {
  for (TokenizerSettings::Token& known : settings.added) {
    if (known.token.content != token.content) continue;
    if (!known.id) known.id = id;
    return;
  }
  settings.added.push_back({std::move(token), id});
}

// {"50257": {"content": "<|user|>", ...}, ...}
void add_decoder(const json& decoder, const std::string& origin, TokenizerSettings& settings) {
  const std::string place = origin + ": added_tokens_decoder";
  std::vector<std::pair<std::int64_t, AddedToken>> tokens;
  for (const auto& [key, value] : decoder.items()) {
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size())
      throw InputError(concat(place, ": expected an id, found ", shown_json(key)));
    tokens.emplace_back(id, read_added_token(value, place));
  }
  std::sort(tokens.begin(), tokens.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [id, token] : tokens) add(settings, std::move(token), id);
}

}  // namespace

void parse_tokenizer_config(std::string_view text, const std::string& origin,
                            TokenizerSettings& settings) {
  const json file = parse_json(text, origin, kFetchAgain);
  if (!file.is_object())
    throw InputError(concat(origin, ": expected a JSON object, found ", shown_json(file)));
  if (const json decoder = file.value("added_tokens_decoder", json()); decoder.is_object())
    add_decoder(decoder, origin, settings);
  for (const char* key :
       {"bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"})
    if (const auto token = special_token(file.value(key, json()), origin)) {
      add(settings, *token, std::nullopt);
      if (std::string_view(key) == "eos_token" && settings.end_of_text.empty())
        settings.end_of_text = token->content;
    }
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"})
    if (const json more = file.value(key, json()); more.is_array() || more.is_object())
      for (const json& value : more)
        if (const auto token = special_token(value, origin)) add(settings, *token, std::nullopt);
  if (file.value("add_prefix_space", json()) == true) settings.add_prefix_space = true;
  if (const json name = file.value("tokenizer_class", json()); name.is_string())
    settings.tokenizer_class = name.get<std::string>();
}

void parse_added_tokens(std::string_view text, const std::string& origin,
                        TokenizerSettings& settings) {
  const json file = parse_json(text, origin, kFetchAgain);
  if (!file.is_object())
    throw InputError(concat(origin, ": expected {\"token\": id, ...}, found ", shown_json(file)));
  std::vector<std::pair<std::int64_t, std::string>> tokens;
  for (const auto& [name, id] : file.items()) {
    if (!id.is_number_integer())
      throw InputError(concat(origin, ": expected an id, found ", shown_json(id)));
    tokens.emplace_back(id.get<std::int64_t>(), name);
  }
  std::sort(tokens.begin(), tokens.end());
  for (auto& [id, name] : tokens)
    add(settings, {.content = std::move(name), .special = false, .normalized = true}, id);
}

}  // namespace gpt
