// GPT-2's pre-tokenization: cuts a text into the pieces that merges never cross.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "char_class.h"

namespace gpt {

// The pieces are the matches of
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// (OpenAI's encoder.py), which together are the whole text. Ill-formed UTF-8 is neither space,
// letter nor number.
class PieceScanner {
 public:
  explicit PieceScanner(std::string_view text) : end_(text.data() + text.size()) {}

  // The end of the piece that starts at `piece`, a piece's start before the end of the text. Calls
  // go from piece to piece.
  const char* next(const char* piece);

  // Ill-formed sequences (maximal subparts) in the pieces so far.
  std::int64_t invalid_count() const { return invalid_count_; }

 private:
  struct Character {
    CharClass kind;
    std::uint32_t length;
    bool valid;
  };
  Character character(const char* at) const;
  Character long_character(const char* at) const;
  const char* after_run(const char* at, CharClass kind);
  const char* after_spaces(const char* piece) const;
  std::size_t contraction(const char* piece) const;

  const CharClasses& classes_ = CharClasses::get();
  const char* end_;
  std::int64_t invalid_count_ = 0;
};

// Where the last piece boundary is that neither the text before it nor what may follow the text can
// move; 0 if there is none.
std::size_t last_sure_boundary(std::string_view text);

}  // namespace gpt
