// The four kinds of characters that GPT-2's pattern tells apart.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace gpt {

// \p{L}, \p{N}, \s, and all the rest, to which ill-formed UTF-8 belongs as well.
enum class CharClass : std::uint8_t { kOther, kLetter, kNumber, kSpace };

class CharClasses {
 public:
  // The tables are built once, from the ranges.
  static const CharClasses& get();

  CharClass of(char32_t code) const { return blocks_[block_of_[code >> 8] * 256u + (code & 0xFF)]; }

 private:
  CharClasses();
  void set(char32_t first, char32_t last, CharClass value);
  void share_blocks();

  // Blocks of 256 code points; many are alike and stored once.
  std::array<std::uint16_t, 0x1100> block_of_;
  std::vector<CharClass> blocks_;
};

// \w: letters and numbers, marks, and connecting punctuation.
bool is_word_character(char32_t code);

// The generated tables behind them, in the order of code points (scripts/make_unicode_ranges.py).
struct CodeRange {
  char32_t first, last;
};

extern const std::span<const CodeRange> kLetterRanges;
extern const std::span<const CodeRange> kNumberRanges;
extern const std::span<const CodeRange> kSpaceRanges;
extern const std::span<const CodeRange> kWordRanges;

}  // namespace gpt
