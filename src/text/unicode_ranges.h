// The generated tables behind char_class(), in the order of code points; see
// scripts/make_unicode_ranges.py.
#pragma once

#include <span>

namespace gpt {

struct CodeRange {
  char32_t first, last;
};

extern const std::span<const CodeRange> kLetterRanges;
extern const std::span<const CodeRange> kNumberRanges;
extern const std::span<const CodeRange> kSpaceRanges;

}  // namespace gpt
