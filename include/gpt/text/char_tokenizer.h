// nanoGPT's character tokenizer: one token per code point, numbered in the vocabulary's order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gpt/text/tokenizer.h"

namespace gpt {

class CharTokenizer final : public Tokenizer {
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

  // As Hugging Face's tokenizer.json has such a vocabulary: of type WordLevel, each character a
  // word.
  static CharTokenizer from_tokenizer_json(std::string_view text, const std::string& origin);
  std::string tokenizer_json() const;

  std::string_view name() const override { return "char"; }
  std::int64_t vocab_size() const override { return static_cast<std::int64_t>(characters_.size()); }
  std::optional<std::int32_t> end_of_text() const override { return std::nullopt; }
  const std::u32string& characters() const { return characters_; }
  std::optional<std::uint16_t> token_of(char32_t character) const {
    if (character >= token_of_.size() || token_of_[character] < 0) return std::nullopt;
    return static_cast<std::uint16_t>(token_of_[character]);
  }

  // InputError at the first character outside the vocabulary. An ill-formed sequence is U+FFFD.
  std::int64_t append_ids(std::string_view text, const std::string& origin,
                          std::vector<std::int32_t>& ids,
                          const EncodeOptions& options = {}) const override;
  void append_text(std::int64_t id, std::string& bytes) const override;
  std::size_t safe_cut(std::string_view text, const EncodeOptions& options = {}) const override;

 private:
  std::u32string characters_;
  std::vector<std::int32_t> token_of_;  // by code point; -1: none
};

}  // namespace gpt
