#include "piece_scanner.h"

#include <algorithm>
#include <array>
#include <bit>
#include <emmintrin.h>
#include <optional>

#include "gpt/text/utf8.h"

namespace gpt {

namespace {

// By byte; bytes of longer sequences have a class that no run has.
constexpr auto kNoClass = static_cast<CharClass>(0xFF);

std::array<CharClass, 256> ascii_classes() {
  std::array<CharClass, 256> classes;
  for (std::size_t byte = 0; byte < 256; ++byte)
    classes[byte] = byte < 0x80 ? CharClasses::get().of(static_cast<char32_t>(byte)) : kNoClass;
  return classes;
}

const std::array<CharClass, 256> kAsciiClass = ascii_classes();

CharClass ascii_class(const char* at) {
  return kAsciiClass[static_cast<unsigned char>(*at)];
}

// Sixteen bytes at a time: where a word ends is hard to predict, so a branch per byte would cost
// more than the comparisons.
const char* after_ascii_letters(const char* at, const char* end) {
  for (; end - at >= 16; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    const __m128i lower = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
    // 'a' to 'z' become -128 to -103, the only ones below -102 among signed bytes.
    const __m128i shifted = _mm_sub_epi8(lower, _mm_set1_epi8(static_cast<char>('a' + 128)));
    const __m128i letters = _mm_cmplt_epi8(shifted, _mm_set1_epi8(-128 + 26));
    const auto others = static_cast<unsigned>(_mm_movemask_epi8(letters)) ^ 0xFFFFu;
    if (others != 0) return at + std::countr_zero(others);
  }
  while (at != end && ascii_class(at) == CharClass::kLetter) ++at;
  return at;
}

std::string_view between(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace

inline PieceScanner::Character PieceScanner::character(const char* at) const {
  if (const CharClass kind = ascii_class(at); kind != kNoClass) return {kind, 1, true};
  return long_character(at);
}

PieceScanner::Character PieceScanner::long_character(const char* at) const {
  const Utf8Sequence sequence = first_sequence(between(at, end_));
  return {classes_.of(sequence.code), sequence.length, sequence.valid};
}

const char* PieceScanner::after_run(const char* at, CharClass kind) {
  while (true) {
    if (kind == CharClass::kLetter) at = after_ascii_letters(at, end_);
    while (at != end_ && ascii_class(at) == kind) ++at;
    if (at == end_ || ascii_class(at) != kNoClass) return at;
    const Character next = character(at);
    if (next.kind != kind) return at;
    if (!next.valid) ++invalid_count_;
    at += next.length;
  }
}

// All of a run of spaces at the end of the text, else all but the last, which may belong to the
// next piece; a single one is a piece, too.
const char* PieceScanner::after_spaces(const char* piece) const {
  const char* at = piece;
  const char* last = piece;
  while (at != end_) {
    const Character next = character(at);
    if (next.kind != CharClass::kSpace) return last == piece ? at : last;
    last = at;
    at += next.length;
  }
  return end_;
}

// The length of 's, 't, 're, 've, 'm, 'll or 'd at `piece`, which is an apostrophe; else 0.
std::size_t PieceScanner::contraction(const char* piece) const {
  const std::string_view rest = between(piece + 1, end_).substr(0, 2);
  if (rest.empty()) return 0;
  if (std::string_view("stmd").find(rest[0]) != std::string_view::npos) return 2;
  return rest == "re" || rest == "ve" || rest == "ll" ? 3 : 0;
}

const char* PieceScanner::next(const char* piece) {
  if (*piece == '\'')
    if (const std::size_t length = contraction(piece)) return piece + length;
  const bool blank = *piece == ' ' && piece + 1 != end_;
  const char* first = blank ? piece + 1 : piece;
  const CharClass kind = character(first).kind;
  return kind == CharClass::kSpace ? after_spaces(piece) : after_run(first, kind);
}

namespace {

struct LastCharacter {
  std::optional<CharClass> kind;  // nothing: no whole, well-formed character ends here
  std::size_t length;
};

LastCharacter last_character(std::string_view text) {
  for (std::size_t length = 1; length <= std::min<std::size_t>(text.size(), 4); ++length) {
    const std::string_view last = text.substr(text.size() - length);
    if ((static_cast<unsigned char>(last[0]) & 0xC0u) == 0x80u) continue;
    const Utf8Sequence sequence = first_sequence(last);
    if (!sequence.valid || sequence.length != length) break;
    return {CharClasses::get().of(sequence.code), length};
  }
  return {std::nullopt, 1};
}

// A run of letters or of numbers ends before any other class, and a run of others before numbers
// and spaces. Letters may belong to an apostrophe before them ("'s"), and anything to a space.
bool always_apart(CharClass left, CharClass right) {
  if (left == right || left == CharClass::kSpace) return false;
  return left != CharClass::kOther || right != CharClass::kLetter;
}

}  // namespace

std::size_t last_sure_boundary(std::string_view text) {
  std::optional<CharClass> next;
  while (!text.empty()) {
    const LastCharacter last = last_character(text);
    if (last.kind && next && always_apart(*last.kind, *next)) return text.size();
    next = last.kind;
    text.remove_suffix(last.length);
  }
  return 0;
}

}  // namespace gpt
