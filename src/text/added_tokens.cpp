#include "added_tokens.h"

#include <algorithm>
#include <utility>

#include "gpt/text/utf8.h"

#include "char_class.h"

namespace gpt {

namespace {

// The last character before `end`; U+FFFD where none ends there.
Utf8Sequence character_before(std::string_view text, std::size_t end) {
  for (std::size_t length = 1; length <= std::min<std::size_t>(end, 4); ++length) {
    const std::string_view last = text.substr(end - length, length);
    if ((static_cast<unsigned char>(last[0]) & 0xC0u) == 0x80u) continue;
    const Utf8Sequence sequence = first_sequence(last);
    if (sequence.valid && sequence.length == length) return sequence;
    break;
  }
  return {kReplacement, 1, false};
}

bool is_space(const Utf8Sequence& character) {
  return character.valid && CharClasses::get().of(character.code) == CharClass::kSpace;
}

bool in_a_word(std::string_view text, std::size_t begin, std::size_t end) {
  const auto is_word = [](const Utf8Sequence& character) {
    return character.valid && is_word_character(character.code);
  };
  return (begin > 0 && is_word(character_before(text, begin))) ||
         (end < text.size() && is_word(first_sequence(text.substr(end))));
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  for (std::size_t i = 0; i < tokens_.size(); ++i)
    (tokens_[i].normalized ? second_ : first_)
        .add(tokens_[i].content, static_cast<std::int32_t>(i));
}

void AddedTokens::for_each(std::string_view text, const OnText& on_text,
                           const std::function<void(std::int32_t id)>& on_token) const {
  const auto rest = [&](std::string_view part) { for_each_of(second_, part, on_text, on_token); };
  for_each_of(first_, text, second_.empty() ? on_text : OnText(rest), on_token);
}

void AddedTokens::for_each_of(const TextMatcher& matcher, std::string_view text,
                              const OnText& on_text,
                              const std::function<void(std::int32_t id)>& on_token) const {
  std::size_t given = 0;  // bytes of the text that were given out
  for (std::size_t from = 0;;) {
    const auto match = matcher.find(text, from);
    if (!match) break;
    from = match->end;
    const AddedToken& token = tokens_[static_cast<std::size_t>(match->value)];
    std::size_t begin = match->begin, end = match->end;
    if (token.single_word && in_a_word(text, begin, end)) continue;
    while (token.lstrip && begin > given && is_space(character_before(text, begin)))
      begin -= character_before(text, begin).length;
    if (token.lstrip) begin = std::max(begin, given);
    while (token.rstrip && end < text.size() && is_space(first_sequence(text.substr(end))))
      end += first_sequence(text.substr(end)).length;
    if (given < begin) on_text(text.substr(given, begin - given));
    if (begin < end) on_token(token.id);  // else the token before it took all of its spaces
    given = end;  // perhaps before where the last one's spaces ended: those are given out again
  }
  if (given < text.size()) on_text(text.substr(given));
}

Tokenizer::AddedTokensFound AddedTokens::find(std::string_view text) const {
  Tokenizer::AddedTokensFound found;
  for (const TextMatcher* matcher : {&first_, &second_})
    for (auto match = matcher->find(text, 0); match; match = matcher->find(text, match->end)) {
      if (found.first.empty()) found.first = text.substr(match->begin, match->end - match->begin);
      ++found.count;
    }
  return found;
}

}  // namespace gpt
