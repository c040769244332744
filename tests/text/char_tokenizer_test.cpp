#include "gpt/text/char_tokenizer.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/text/utf8.h"

#include "support/error_text.h"

namespace gpt {
namespace {

using testing::error_text;

std::string meta(const std::string& size, const std::string& itos) {
  return R"({"format": "gpttrain-meta", "version": 1, "tokenizer": "char", "vocab_size": )" + size +
         R"(, "itos": )" + itos + "}";
}

std::string read_error(const std::string& text) {
  return error_text<InputError>([&] { CharTokenizer::from_json(text, "d/meta.json"); });
}

TEST(CharTokenizer, EncodesAndDecodes) {
  const CharTokenizer tokenizer(U"\n !ab\u00e9\U0001F600");
  EXPECT_EQ(tokenizer.vocab_size(), 7);
  const std::vector<std::int64_t> tokens = {3, 5, 6, 0, 2};
  EXPECT_EQ(tokenizer.encode("a\u00e9\U0001F600\n!", "text"), tokens);
  EXPECT_EQ(tokenizer.decode(tokens), "a\u00e9\U0001F600\n!");
  EXPECT_TRUE(tokenizer.encode("", "text").empty());
  EXPECT_EQ(tokenizer.token_of(U'b'), 4);
  EXPECT_EQ(tokenizer.token_of(U'c'), std::nullopt);
  EXPECT_EQ(tokenizer.token_of(U'\U0010FFFF'), std::nullopt);
}

TEST(CharTokenizer, PaddedTokensDecodeToTheReplacement) {
  EXPECT_EQ(CharTokenizer(U"ab").decode(std::vector<std::int64_t>{0, 2, -1, 1}), "a\uFFFD\uFFFDb");
}

TEST(CharTokenizer, IsATokenizer) {
  const CharTokenizer characters(U"ab\u00e9\uFFFD");
  const Tokenizer& tokenizer = characters;
  EXPECT_EQ(tokenizer.name(), "char");
  EXPECT_EQ(tokenizer.vocab_size(), 4);
  EXPECT_EQ(tokenizer.end_of_text(), std::nullopt);
  std::vector<std::int32_t> ids = {7};
  EXPECT_EQ(tokenizer.append_ids("a\xFF\u00e9\uFFFD\xC3", "text", ids), 2);  // two are invalid
  EXPECT_EQ(ids, (std::vector<std::int32_t>{7, 0, 3, 2, 3, 3}));
}

TEST(CharTokenizer, CutsBetweenSequences) {
  const CharTokenizer tokenizer(U"a");
  const std::string text = "a\u00e9\u20ac\U0001F600\xFF\x80";
  std::vector<std::size_t> cuts;
  for (std::size_t size = 0; size <= text.size(); ++size)
    cuts.push_back(tokenizer.safe_cut(text.substr(0, size)));
  EXPECT_EQ(cuts, (std::vector<std::size_t>{0, 1, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10}));
  EXPECT_EQ(tokenizer.safe_cut("\x80\x80"),
            2u);  // a text of continuation bytes alone continues, too
  EXPECT_EQ(tokenizer.safe_cut("\xF0\x90\x80\x80\x80"), 5u);
}

TEST(CharTokenizer, UnknownCharacterIsNamedWithItsPosition) {
  const CharTokenizer tokenizer(U"ab\u00e9");
  EXPECT_EQ(error_text<InputError>([&] { tokenizer.encode("a\u00e9$b", "--start"); }),
            "--start: character 3 is '$' (U+0024), which is not among the 3 characters of the "
            "vocabulary; leave it out");
  EXPECT_EQ(error_text<InputError>([&] { tokenizer.encode("\x1b[2J", "--start"); }),
            "--start: character 1 is U+001B, which is not among the 3 characters of the "
            "vocabulary; leave it out");
  EXPECT_EQ(error_text<InputError>([&] { tokenizer.encode("a\xFF", "--start"); }),
            "--start: character 2 is U+FFFD or invalid UTF-8, which is not among the 3 characters "
            "of the vocabulary; leave it out");
}

TEST(CharTokenizer, FullVocabularyReachesTheLastToken) {
  std::u32string characters;
  for (char32_t code = 0; characters.size() < CharTokenizer::kMaxVocabulary; ++code)
    if (code < 0xD800 || code > 0xDFFF) characters.push_back(code);
  EXPECT_EQ(CharTokenizer(characters).token_of(characters.back()), 65535);
  characters.push_back(U'\U0010FFFF');
  EXPECT_THROW(CharTokenizer{characters}, Error);
  EXPECT_THROW(CharTokenizer{U""}, Error);
  EXPECT_THROW(CharTokenizer{U"aba"}, Error);
}

TEST(CharTokenizer, ReadsMeta) {
  const CharTokenizer tokenizer = CharTokenizer::from_json(
      meta("5", R"(["\n", "\u0000", "\"", "\ud83d\ude00", "é"])"), "d/meta.json");
  EXPECT_EQ(tokenizer.characters(), std::u32string(U"\n\0\"\U0001F600\u00e9", 5));
}

TEST(CharTokenizer, BadMetaSaysWhatIsWrong) {
  EXPECT_EQ(read_error("{\n\"format\": oops}"),
            "d/meta.json:2: not valid JSON (byte 12); write it again with gpttrain prepare");
  EXPECT_EQ(read_error(""),
            "d/meta.json:1: not valid JSON (byte 0); write it again with gpttrain prepare");
  EXPECT_EQ(read_error("[1]"), "d/meta.json: expected a JSON object, found [1]");
  EXPECT_EQ(read_error("{}"), "d/meta.json: format: expected \"gpttrain-meta\", found nothing");
  EXPECT_EQ(read_error(R"({"format": "gpttrain-meta", "version": 2})"),
            "d/meta.json: version: expected 1, found 2");
  EXPECT_EQ(read_error(R"({"format": "gpttrain-meta", "version": 1, "tokenizer": "gpt2"})"),
            "d/meta.json: tokenizer: expected \"char\", found \"gpt2\"");
  EXPECT_EQ(read_error(meta("2", R"({"0": "a"})")),
            "d/meta.json: itos: expected a list of 1 to 65536 characters, found {\"0\":\"a\"}");
  EXPECT_EQ(read_error(meta("0", "[]")),
            "d/meta.json: itos: expected a list of 1 to 65536 characters, found 0 entries");
  EXPECT_EQ(read_error(meta("3", R"(["a", "b"])")), "d/meta.json: vocab_size: expected 2, found 3");
  EXPECT_EQ(read_error(meta("\"2\"", R"(["a", "b"])")),
            "d/meta.json: vocab_size: expected 2, found \"2\"");
  EXPECT_EQ(read_error(meta("2", R"(["a", 7])")),
            "d/meta.json: itos[1]: expected a text of one character, found 7");
  EXPECT_EQ(read_error(meta("2", R"(["a", "bé"])")),
            "d/meta.json: itos[1]: expected a text of one character, found \"b\\u00e9\"");
  EXPECT_EQ(read_error(meta("2", R"(["", "b"])")),
            "d/meta.json: itos[0]: expected a text of one character, found \"\"");
  EXPECT_EQ(read_error(meta("3", R"(["a", "b", "a"])")),
            "d/meta.json: itos[2]: 'a' (U+0061) is already itos[0]");
}

}  // namespace
}  // namespace gpt
