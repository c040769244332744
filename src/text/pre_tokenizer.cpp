#include "gpt/text/pre_tokenizer.h"

#include <algorithm>

#include "gpt/text/utf8.h"

#include "char_class.h"
#include "piece_scanner.h"

namespace gpt {

namespace {

using Pattern = SplitStep::Pattern;
using Behavior = SplitStep::Behavior;

struct Part {
  std::size_t begin, end;
  bool match;
};

bool in_class(Pattern pattern, char32_t code) {
  switch (pattern) {
    case Pattern::kNumber:
      return CharClasses::get().of(code) == CharClass::kNumber;
    case Pattern::kLetter:
      return CharClasses::get().of(code) == CharClass::kLetter;
    case Pattern::kSpace:
      return CharClasses::get().of(code) == CharClass::kSpace;
    case Pattern::kAsciiDigit:
      return code >= U'0' && code <= U'9';
    default:
      return code == U'\n';
  }
}

// Where the match that begins at `at` ends; `at` if there is none.
std::size_t match_end(std::string_view text, std::size_t at, const SplitStep& step) {
  if (step.pattern == Pattern::kText)
    return text.substr(at).starts_with(step.text) ? at + step.text.size() : at;
  if (step.pattern == Pattern::kGpt2) {
    const std::string_view rest = text.substr(at);
    return at + static_cast<std::size_t>(PieceScanner(rest).next(rest.data()) - rest.data());
  }
  std::size_t end = at, characters = 0;
  while (end < text.size() && characters < step.most) {
    const Utf8Sequence next = first_sequence(text.substr(end));
    if (!in_class(step.pattern, next.code)) break;
    end += next.length;
    ++characters;
  }
  return characters >= step.least ? end : at;
}

// The matches and what is between them, which together are the whole text.
std::vector<Part> find_parts(std::string_view text, const SplitStep& step) {
  std::vector<Part> parts;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = match_end(text, at, step);
    if (end == at) {
      at += first_sequence(text.substr(at)).length;
      continue;
    }
    if (begin < at) parts.push_back({begin, at, step.invert});
    parts.push_back({at, end, !step.invert});
    begin = at = end;
  }
  if (begin < text.size()) parts.push_back({begin, text.size(), step.invert});
  return parts;
}

// Joins each part to the one before it where `joins(part, previous)` says so.
template <class Joins>
void join_parts(std::vector<Part>& parts, const Joins& joins) {
  std::vector<Part> joined;
  bool before = false;  // whether the part before was a match
  for (const Part& part : parts) {
    if (!joined.empty() && joins(part.match, before))
      joined.back().end = part.end;
    else
      joined.push_back(part);
    before = part.match;
  }
  parts = std::move(joined);
}

// As the one above from the end on.
template <class Joins>
void join_parts_backwards(std::vector<Part>& parts, const Joins& joins) {
  std::reverse(parts.begin(), parts.end());
  for (Part& part : parts) std::swap(part.begin, part.end);
  join_parts(parts, joins);
  for (Part& part : parts) std::swap(part.begin, part.end);
  std::reverse(parts.begin(), parts.end());
}

void apply_behavior(std::vector<Part>& parts, Behavior behavior) {
  const auto alike = [](bool match, bool before) { return match == before; };
  const auto first_match = [](bool match, bool before) { return match && !before; };
  switch (behavior) {
    case Behavior::kIsolated:
      return;
    case Behavior::kRemoved:
      std::erase_if(parts, [](const Part& part) { return part.match; });
      return;
    case Behavior::kContiguous:
      return join_parts(parts, alike);
    case Behavior::kMergedWithPrevious:
      return join_parts(parts, first_match);
    case Behavior::kMergedWithNext:
      return join_parts_backwards(parts, first_match);
  }
}

}  // namespace

bool PreTokenizer::keeps_text() const {
  return !add_prefix_space && std::none_of(splits.begin(), splits.end(), [](const SplitStep& step) {
    return step.behavior == Behavior::kRemoved && !(step.pattern == Pattern::kGpt2 && step.invert);
  });
}

std::vector<std::string_view> split_text(std::string_view text,
                                         const std::vector<SplitStep>& splits) {
  std::vector<std::string_view> parts;
  if (!text.empty()) parts.push_back(text);
  for (const SplitStep& step : splits) {
    std::vector<std::string_view> finer;
    for (const std::string_view part : parts) {
      std::vector<Part> cut = find_parts(part, step);
      apply_behavior(cut, step.behavior);
      for (const Part& some : cut) finer.push_back(part.substr(some.begin, some.end - some.begin));
    }
    parts = std::move(finer);
  }
  return parts;
}

bool may_touch(const SplitStep& step, std::string_view text, std::size_t cut) {
  if (step.pattern == Pattern::kText || step.pattern == Pattern::kGpt2) return false;
  std::size_t before = cut;
  while (before > 0 && cut - before < 4)
    if ((static_cast<unsigned char>(text[--before]) & 0xC0u) != 0x80u) break;
  if (cut > 0 && in_class(step.pattern, first_sequence(text.substr(before, cut - before)).code))
    return true;
  return cut < text.size() && in_class(step.pattern, first_sequence(text.substr(cut)).code);
}

}  // namespace gpt
