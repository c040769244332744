// A tokenizer that punishes wrong cuts: runs of lower-case letters become pairs, counted from the
// run's start; all other bytes, and the odd letter at a run's end, are tokens of their own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gpt/text/tokenizer.h"

namespace gpt {

class PairTokenizer final : public Tokenizer {
 public:
  // Pairs begin at `first_pair`; beyond 65535 tokens need 32 bits.
  explicit PairTokenizer(std::int32_t first_pair = 257) : first_pair_(first_pair) {}

  std::string_view name() const override { return "bpe"; }
  std::int64_t vocab_size() const override { return first_pair_ + 26 * 26; }
  std::optional<std::int32_t> end_of_text() const override { return 256; }

  std::int64_t append_ids(std::string_view text, const std::string&, std::vector<std::int32_t>& ids,
                          const EncodeOptions& = {}) const override {
    for (std::size_t i = 0; i < text.size(); ++i) {
      const bool pair = i + 1 < text.size() && is_letter(text[i]) && is_letter(text[i + 1]);
      if (pair)
        ids.push_back(first_pair_ + (text[i] - 'a') * 26 + (text[i + 1] - 'a'));
      else
        ids.push_back(static_cast<unsigned char>(text[i]));
      i += pair;
    }
    return 0;
  }
  void append_text(std::int64_t id, std::string& bytes) const override {
    if (id < 256) {
      bytes.push_back(static_cast<char>(id));
    } else {
      bytes.push_back(static_cast<char>('a' + (id - first_pair_) / 26));
      bytes.push_back(static_cast<char>('a' + (id - first_pair_) % 26));
    }
  }
  std::size_t safe_cut(std::string_view text, const EncodeOptions& = {}) const override {
    for (std::size_t cut = text.size(); cut > 1; --cut)
      if (is_letter(text[cut - 2]) != is_letter(text[cut - 1])) return cut - 1;
    return 0;
  }

 private:
  static bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
  std::int32_t first_pair_;
};

}  // namespace gpt
