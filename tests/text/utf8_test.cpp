#include "gpt/text/utf8.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace gpt {
namespace {

using Newlines = Utf8Decoder::Newlines;

std::u32string decode_in_chunks(const std::string& bytes, std::size_t chunk, Newlines newlines) {
  Utf8Decoder decoder(newlines);
  std::u32string text;
  for (std::size_t i = 0; i < bytes.size(); i += chunk)
    decoder.decode(std::string_view(bytes).substr(i, chunk), text);
  decoder.finish(text);
  return text;
}

// first_sequence, from one to the next, is the decoder again.
void expect_sequences(std::string_view bytes, const std::u32string& text, std::int64_t invalid) {
  std::u32string codes;
  while (!bytes.empty()) {
    const Utf8Sequence sequence = first_sequence(bytes);
    codes.push_back(sequence.code);
    invalid -= sequence.valid ? 0 : 1;
    bytes.remove_prefix(sequence.length);
  }
  ASSERT_EQ(codes, text);
  ASSERT_EQ(invalid, 0);
}

TEST(Utf8Decoder, DecodesEveryLengthOfSequence) {
  EXPECT_EQ(from_utf8("a\u00e9\u20ac\U0001F600"), U"a\u00e9\u20ac\U0001F600");
  EXPECT_EQ(from_utf8(std::string("\0x", 2)), std::u32string(U"\0x", 2));
  EXPECT_EQ(from_utf8("\xEF\xBB\xBFx"), U"\uFEFFx");  // Python's utf-8 keeps the mark, too
}

TEST(Utf8Decoder, ReplacesMaximalSubparts) {
  // Unicode 3.9, table 3-8 and its neighbours.
  const std::vector<std::pair<std::string, std::u32string>> cases = {
      {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41",
       U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\u0041"},
      {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41",
       U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\u0041"},
      {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42",
       U"\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\u0041\uFFFD\uFFFD\u0042"},
      {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", U"\uFFFD\uFFFD\uFFFD\uFFFD\u0041"},
  };
  for (const auto& [bytes, text] : cases) EXPECT_EQ(from_utf8(bytes), text);
}

TEST(Utf8Decoder, CountsInvalidSequencesAndTheCutTail) {
  Utf8Decoder decoder;
  std::u32string text;
  decoder.decode("a\xFF\xE2\x82", text);
  EXPECT_EQ(text, U"a\uFFFD");
  decoder.finish(text);
  EXPECT_EQ(text, U"a\uFFFD\uFFFD");
  decoder.decode("\x80\uFFFD", text);  // a genuine U+FFFD is not an error
  decoder.finish(text);
  EXPECT_EQ(text, U"a\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(decoder.invalid_count(), 3);
}

TEST(Utf8Decoder, UniversalNewlinesAsInPython) {
  const std::string bytes = "a\r\nb\rc\n\r\r\n\n\r";
  for (std::size_t chunk = 1; chunk <= bytes.size(); ++chunk) {
    EXPECT_EQ(decode_in_chunks(bytes, chunk, Newlines::kUniversal), U"a\nb\nc\n\n\n\n\n");
    EXPECT_EQ(decode_in_chunks(bytes, chunk, Newlines::kKeep), U"a\r\nb\rc\n\r\r\n\n\r");
  }
  Utf8Decoder decoder(Newlines::kUniversal);
  std::u32string text;
  decoder.decode("a\r", text);
  decoder.finish(text);  // a new text: its \n belongs to no \r
  decoder.decode("\nb", text);
  EXPECT_EQ(text, U"a\n\nb");
}

TEST(Utf8Decoder, EveryChunkingGivesTheSame) {
  const std::string bytes = "z\u00e9\xE2\x82\u20ac\r\n\xF0\x9F\x98\U0001F600\xC3\r\xED\xA0";
  for (const Newlines newlines : {Newlines::kKeep, Newlines::kUniversal})
    for (std::size_t chunk = 1; chunk < bytes.size(); ++chunk)
      EXPECT_EQ(decode_in_chunks(bytes, chunk, newlines),
                decode_in_chunks(bytes, bytes.size(), newlines));
}

// Every sequence of up to four of these bytes (the ends of all ranges that UTF-8 tells apart),
// decoded with and without universal newlines. The sum was recorded with CPython 3.11:
// bytes.decode("utf-8", "replace") and io.TextIOWrapper(errors="replace").
TEST(Utf8Decoder, AgreesWithPythonOnAllShortSequences) {
  constexpr std::array<unsigned char, 26> kBytes = {
      0x00, 0x0a, 0x0d, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1,
      0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
  std::uint64_t sum = 0;
  const auto fold = [&sum](std::uint64_t value) { sum = (sum * 1099511628211u) ^ value; };
  std::int64_t sequences = 0, invalid = 0;
  for (int length = 1; length <= 4; ++length) {
    std::vector<std::size_t> digit(static_cast<std::size_t>(length), 0);
    for (bool more = true; more; ++sequences) {
      std::string bytes;
      for (const std::size_t d : digit) bytes.push_back(static_cast<char>(kBytes[d]));
      Utf8Decoder decoder;
      std::u32string text;
      decoder.decode(bytes, text);
      decoder.finish(text);
      invalid += decoder.invalid_count();
      expect_sequences(bytes, text, decoder.invalid_count());
      for (const char32_t code : text) fold(code);
      fold(0x110000);
      for (const char32_t code : decode_in_chunks(bytes, 3, Newlines::kUniversal)) fold(code);
      fold(0x110001);
      more = false;
      for (auto d = digit.rbegin(); d != digit.rend() && !more; ++d) {
        more = ++*d < kBytes.size();
        if (!more) *d = 0;
      }
    }
  }
  EXPECT_EQ(sequences, 475254);
  EXPECT_EQ(invalid, 1360455);
  EXPECT_EQ(sum, 3741867437689919949u);
}

TEST(Utf8, EveryScalarValueRoundTrips) {
  std::u32string all;
  for (char32_t code = 0; code <= 0x10FFFF; ++code)
    if (code < 0xD800 || code > 0xDFFF) all.push_back(code);
  const std::string bytes = to_utf8(all);
  EXPECT_EQ(bytes.size(), 0x80u + 2 * 0x780u + 3 * (0xF800u - 0x800u) + 4 * 0x100000u);
  EXPECT_TRUE(from_utf8(bytes) == all);  // not EXPECT_EQ: it would print megabytes
}

}  // namespace
}  // namespace gpt
