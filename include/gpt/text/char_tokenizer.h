// nanoGPT's character tokenizer: one token per code point, numbered in the vocabulary's order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gpt {

class CharTokenizer {
 public:
  // Tokens are 16 bits wide in the data files.
  static constexpr std::size_t kMaxVocabulary = 65536;

  // `characters[i]` is token i (nanoGPT: sorted by code point). They must be distinct scalar
  // values, from 1 to kMaxVocabulary of them.
  explicit CharTokenizer(std::u32string characters);

  // From a dataset's meta.json: {"format": "gpttrain-meta", "version": 1, "tokenizer": "char",
  // "vocab_size": 65, "itos": ["\n", " ", ...]}; other keys are not looked at. `origin` names the
  // text in errors. InputError.
  static CharTokenizer from_json(std::string_view text, const std::string& origin);

  std::int64_t vocab_size() const { return static_cast<std::int64_t>(characters_.size()); }
  const std::u32string& characters() const { return characters_; }
  std::optional<std::uint16_t> token_of(char32_t character) const {
    if (character >= token_of_.size() || token_of_[character] < 0) return std::nullopt;
    return static_cast<std::uint16_t>(token_of_[character]);
  }

  // Tokens of a UTF-8 text. `origin` says in errors what the text is, e.g. "--start". InputError at
  // the first character outside the vocabulary.
  std::vector<std::int64_t> encode(std::string_view utf8, const std::string& origin) const;

  // UTF-8. A token outside the vocabulary gives U+FFFD: a model's vocabulary may be padded.
  std::string decode(std::span<const std::int64_t> tokens) const;

 private:
  std::u32string characters_;
  std::vector<std::int32_t> token_of_;  // by code point; -1: none
};

}  // namespace gpt
