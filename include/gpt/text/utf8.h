// UTF-8 to code points and back, a chunk at a time, with Python's results for
// open(errors="replace").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gpt {

// Stands for what could not be decoded.
inline constexpr char32_t kReplacement = U'\uFFFD';

class Utf8Decoder {
 public:
  // kUniversal turns \r\n and a lone \r into \n, as Python's text mode does.
  enum class Newlines { kKeep, kUniversal };
  explicit Utf8Decoder(Newlines newlines = Newlines::kKeep) : newlines_(newlines) {}

  // Appends the code points of `bytes` to `out`; a sequence cut by the end of `bytes` waits for the
  // next call. Every maximal subpart of an ill-formed sequence (Unicode 3.9, "substitution of
  // maximal subparts") gives one U+FFFD.
  void decode(std::string_view bytes, std::u32string& out);

  // The text ends here: a sequence still waiting gives U+FFFD. Another text may follow.
  void finish(std::u32string& out);

  // How many U+FFFD stand for invalid bytes, over all texts.
  std::int64_t invalid_count() const { return invalid_count_; }

 private:
  void lead(unsigned char byte, std::u32string& out);
  void emit(char32_t code, std::u32string& out);
  void replace(std::u32string& out);

  Newlines newlines_;
  bool after_return_ = false;         // the last code point was \r, given out as \n
  int needed_ = 0;                    // continuation bytes to come
  unsigned char low_ = 0, high_ = 0;  // what the next of them may be
  char32_t code_ = 0;                 // bits so far
  std::int64_t invalid_count_ = 0;
};

// The first sequence of `bytes`, which are not empty: a code point, or kReplacement and `valid`
// false for a maximal subpart of an ill-formed sequence. A sequence that the end cuts is
// ill-formed.
struct Utf8Sequence {
  char32_t code;
  std::uint32_t length;
  bool valid;
};
Utf8Sequence first_sequence(std::string_view bytes);

// All of `bytes` at once.
std::u32string from_utf8(std::string_view bytes);

// `code` must be a Unicode scalar value (no surrogate, at most U+10FFFF).
void append_utf8(char32_t code, std::string& out);
std::string to_utf8(std::u32string_view text);

}  // namespace gpt
