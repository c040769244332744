#include "text_matcher.h"

#include <algorithm>

namespace gpt {

void TextMatcher::add(std::string_view text, std::int32_t value) {
  if (text.empty()) return;
  std::uint32_t node = 0;
  for (const char byte : text) {
    std::uint32_t next = step(node, byte);
    if (next == FlatMap::kNone) {
      next = static_cast<std::uint32_t>(values_.size());
      children_.insert(node, static_cast<unsigned char>(byte), next);
      values_.push_back(kNoValue);
    }
    node = next;
  }
  values_[node] = value;
  if (!begins_[static_cast<unsigned char>(text[0])]) ++first_bytes_;
  begins_[static_cast<unsigned char>(text[0])] = true;
  first_byte_ = text[0];
  longest_ = std::max(longest_, text.size());
}

// The first byte at or behind `from` with which one of the texts begins; mostly all of them begin
// with the same one.
std::size_t TextMatcher::next_begin(std::string_view text, std::size_t from) const {
  if (first_bytes_ == 1) return text.find(first_byte_, from);
  while (from < text.size() && !begins_[static_cast<unsigned char>(text[from])]) ++from;
  return from < text.size() ? from : text.npos;
}

std::optional<TextMatcher::Match> TextMatcher::find(std::string_view text, std::size_t from) const {
  if (empty()) return std::nullopt;
  for (std::size_t begin = next_begin(text, from); begin != text.npos;
       begin = next_begin(text, begin + 1)) {
    std::optional<Match> longest;
    std::uint32_t node = 0;
    for (std::size_t at = begin; at < text.size(); ++at) {
      node = step(node, text[at]);
      if (node == FlatMap::kNone) break;
      if (values_[node] != kNoValue) longest = {begin, at + 1, values_[node]};
    }
    if (longest) return longest;
  }
  return std::nullopt;
}

bool TextMatcher::touches(std::string_view text, std::size_t cut) const {
  for (std::size_t begin = cut > longest_ ? cut - longest_ : 0; begin <= cut; ++begin) {
    std::uint32_t node = 0;
    for (std::size_t at = begin;; ++at) {
      if (values_[node] != kNoValue && at >= cut) return true;
      if (at == text.size()) return !empty();  // it may continue
      node = step(node, text[at]);
      if (node == FlatMap::kNone) break;
    }
  }
  return false;
}

}  // namespace gpt
