#include "char_class.h"

#include <algorithm>
#include <map>

namespace gpt {

bool is_word_character(char32_t code) {
  const auto after =
      std::upper_bound(kWordRanges.begin(), kWordRanges.end(), code,
                       [](char32_t value, const CodeRange& range) { return value < range.first; });
  return after != kWordRanges.begin() && code <= std::prev(after)->last;
}

const CharClasses& CharClasses::get() {
  static const CharClasses classes;
  return classes;
}

CharClasses::CharClasses() : blocks_(0x110000, CharClass::kOther) {
  for (const CodeRange range : kLetterRanges) set(range.first, range.last, CharClass::kLetter);
  for (const CodeRange range : kNumberRanges) set(range.first, range.last, CharClass::kNumber);
  for (const CodeRange range : kSpaceRanges) set(range.first, range.last, CharClass::kSpace);
  share_blocks();
}

void CharClasses::set(char32_t first, char32_t last, CharClass value) {
  for (char32_t code = first; code <= last; ++code) blocks_[code] = value;
}

void CharClasses::share_blocks() {
  const std::vector<CharClass> all = std::move(blocks_);
  blocks_.clear();
  std::map<std::vector<CharClass>, std::uint16_t> known;
  for (std::size_t block = 0; block < block_of_.size(); ++block) {
    const auto begin = all.begin() + static_cast<long>(block * 256);
    const std::vector<CharClass> content(begin, begin + 256);
    const auto [entry, fresh] = known.emplace(content, static_cast<std::uint16_t>(known.size()));
    if (fresh) blocks_.insert(blocks_.end(), content.begin(), content.end());
    block_of_[block] = entry->second;
  }
}

}  // namespace gpt
