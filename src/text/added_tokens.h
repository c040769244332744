// The tokens of a vocabulary that are found by their names, as Hugging Face's `tokenizers` finds
// them: before a text is cut into pieces, the leftmost first, of several the longest.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "gpt/text/bpe_vocabulary.h"
#include "gpt/text/tokenizer.h"

#include "text_matcher.h"

namespace gpt {

class AddedTokens {
 public:
  explicit AddedTokens(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  // Gives out the text in order, as stretches of text and the ids of the tokens between them.
  void for_each(std::string_view text, const std::function<void(std::string_view)>& on_text,
                const std::function<void(std::int32_t id)>& on_token) const;

  Tokenizer::AddedTokensFound find(std::string_view text) const;

  // Whether a cut there might divide a token or change what is next to one.
  bool touches(std::string_view text, std::size_t cut) const {
    return first_.touches(text, cut) || second_.touches(text, cut);
  }

 private:
  using OnText = std::function<void(std::string_view)>;
  void for_each_of(const TextMatcher& matcher, std::string_view text, const OnText& on_text,
                   const std::function<void(std::int32_t id)>& on_token) const;

  std::vector<AddedToken> tokens_;
  TextMatcher first_, second_;  // values are places in tokens_; the normalized ones come second
};

}  // namespace gpt
