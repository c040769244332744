// How a text is cut into the pieces that merges never cross, as Hugging Face's tokenizer.json says.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gpt {

// One cut: the matches of a pattern, and what becomes of them and of the text between them.
struct SplitStep {
  enum class Pattern { kGpt2, kNumber, kAsciiDigit, kLetter, kSpace, kNewline, kText };
  enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

  Pattern pattern = Pattern::kNumber;
  std::string text = {};            // of kText
  std::size_t least = 1, most = 1;  // characters of a match, of the patterns that are classes
  Behavior behavior = Behavior::kIsolated;
  bool invert = false;  // what is between the matches counts as match
};

struct PreTokenizer {
  std::vector<SplitStep> splits = {};  // each cuts the parts that the one before it made
  bool add_prefix_space = false;       // then a space goes before each part that begins with none
  bool use_pattern = true;             // then GPT-2's pattern cuts each part

  // GPT-2's.
  bool is_plain() const { return splits.empty() && !add_prefix_space && use_pattern; }
  // Whether the pieces are the text, with nothing added and nothing left out.
  bool keeps_text() const;
};

// The parts of `text` after all of `splits`; none is empty.
std::vector<std::string_view> split_text(std::string_view text,
                                         const std::vector<SplitStep>& splits);

// Whether `step` may treat the two characters around the place `cut` of `text` as one match, or
// would make one of them end there. kText is not asked about: see TextMatcher::touches.
bool may_touch(const SplitStep& step, std::string_view text, std::size_t cut);

}  // namespace gpt
