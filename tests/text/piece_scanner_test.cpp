#include "../../src/text/piece_scanner.h"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "gpt/text/utf8.h"

namespace gpt {
namespace {

struct Pieces {
  std::vector<std::string> list;
  std::int64_t invalid = 0;
};

Pieces pieces_of(std::string_view text) {
  PieceScanner scanner(text);
  Pieces pieces;
  for (const char *at = text.data(), *end = at + text.size(); at != end;) {
    const char* const next = scanner.next(at);
    pieces.list.emplace_back(at, next);
    at = next;
  }
  pieces.invalid = scanner.invalid_count();
  return pieces;
}

// Pieces with a bar between them.
std::string cut(std::string_view text) {
  std::string out;
  for (const std::string& piece : pieces_of(text).list) out += (out.empty() ? "" : "|") + piece;
  return out;
}

TEST(PieceScanner, WordsNumbersAndTheRest) {
  EXPECT_EQ(cut("Hello world"), "Hello| world");
  EXPECT_EQ(cut("a1b22 c33"), "a|1|b|22| c|33");
  EXPECT_EQ(cut("x+=y; !? z"), "x|+=|y|;| !?| z");
  EXPECT_EQ(cut("a_b"), "a|_|b");
  EXPECT_EQ(cut(""), "");
}

TEST(PieceScanner, ContractionsInLowerCaseOnly) {
  EXPECT_EQ(cut("it's we're I'll I'd've can't I'm"),
            "it|'s| we|'re| I|'ll| I|'d|'ve| can|'t| I|'m");
  EXPECT_EQ(cut("IT'S it'll'l"), "IT|'|S| it|'ll|'|l");
  EXPECT_EQ(cut("'still"), "'s|till");
  EXPECT_EQ(cut(" 's ''s"), " '|s| ''|s");  // an apostrophe that is already in a piece takes none
  EXPECT_EQ(cut("'"), "'");
  EXPECT_EQ(cut("'l"), "'|l");
}

TEST(PieceScanner, OnlyTheLastBlankJoinsAWord) {
  EXPECT_EQ(cut("a  b"), "a| | b");
  EXPECT_EQ(cut("a   \n b"), "a|   \n| b");
  EXPECT_EQ(cut("a\nb"), "a|\n|b");
  EXPECT_EQ(cut("a\n\nb"), "a|\n|\n|b");
  EXPECT_EQ(cut("a \tb"), "a| |\t|b");
  EXPECT_EQ(cut("a  "), "a|  ");
  EXPECT_EQ(cut(" "), " ");
  EXPECT_EQ(cut("\r\n"), "\r\n");
  EXPECT_EQ(cut("  1  ."), " | 1| | .");
}

TEST(PieceScanner, UnicodeClasses) {
  EXPECT_EQ(cut("\u00e9t\u00e9 \u4e2d\u65871\u0663\u00bd"),
            "\u00e9t\u00e9| \u4e2d\u6587|1\u0663\u00bd");
  EXPECT_EQ(cut("e\u0301a"), "e|\u0301|a");                  // a combining mark is no letter
  EXPECT_EQ(cut("a\u00a0\u3000b"), "a|\u00a0|\u3000|b");     // spaces, but not blanks
  EXPECT_EQ(cut("a\u200bb\u180ec"), "a|\u200b|b|\u180e|c");  // no spaces
  EXPECT_EQ(cut("a\u0085\u2028 b"), "a|\u0085\u2028| b");
  EXPECT_EQ(cut(" \U0001F600\U0001F601x"), " \U0001F600\U0001F601|x");
}

TEST(PieceScanner, WordsLongerThanOneLoad) {
  for (std::size_t length = 1; length < 70; ++length) {
    const std::string word(length, 'x'), mixed = word + "\u00e9" + word;
    EXPECT_EQ(cut(word + "1" + word), word + "|1|" + word);
    EXPECT_EQ(cut(mixed + " " + mixed), mixed + "| " + mixed);
  }
  // Each neighbour of the letters in ASCII ends a word, wherever in a load it stands.
  for (const char other : {'@', '[', '`', '{', '\x7f', '\0', '0'})
    for (std::size_t before = 1; before < 20; ++before) {
      const std::string left(before, 'Z'), right(20, 'a');
      EXPECT_EQ(cut(left + other + right), left + "|" + other + "|" + right);
    }
}

TEST(PieceScanner, IllFormedBytesAreNoLetters) {
  const auto pieces = pieces_of("a\xff\xe4\xb8 b\xc3\xa9\xc3");
  EXPECT_EQ(pieces.list, (std::vector<std::string>{"a", "\xff\xe4\xb8", " b\xc3\xa9", "\xc3"}));
  EXPECT_EQ(pieces.invalid, 3);
}

TEST(PieceScanner, CountsIllFormedSequencesAsTheDecoderDoes) {
  std::mt19937 random(2);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 60, ' ');
    for (char& c : text) c = "\xe4\xb8\xad\xf0\x9f\x98\xc3\xff a'1"[random() % 12];
    Utf8Decoder decoder;
    std::u32string codes;
    decoder.decode(text, codes);
    decoder.finish(codes);
    EXPECT_EQ(pieces_of(text).invalid, decoder.invalid_count());
  }
}

TEST(LastSureBoundary, Examples) {
  EXPECT_EQ(last_sure_boundary("the cat"), 3u);
  EXPECT_EQ(last_sure_boundary("the cat "), 7u);
  EXPECT_EQ(last_sure_boundary("the   "), 3u);
  EXPECT_EQ(last_sure_boundary("thecat"), 0u);
  EXPECT_EQ(last_sure_boundary("can't"), 3u);   // not before the t
  EXPECT_EQ(last_sure_boundary("x = 12"), 3u);  // 12 could continue, and belongs to its blank
  EXPECT_EQ(last_sure_boundary("\u4e2d\u6587\u3002\u4e2d"), 6u);
  EXPECT_EQ(last_sure_boundary("ab.\xe4\xb8"), 2u);  // the cut character may be a letter
  EXPECT_EQ(last_sure_boundary(""), 0u);
}

// Of every prefix of random texts: pieces of the two parts are those of the whole.
TEST(LastSureBoundary, PartsHaveThePiecesOfTheWhole) {
  std::mt19937 random(3);
  const std::vector<std::string> parts = {"a",      "re",   "'",    "s",      "t",      "1",
                                          " ",      "\n",   ".",    "\u00e9", "\u4e2d", "\u00a0",
                                          "\u0301", "\xff", "\xe4", "l"};
  int cuts = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (auto left = random() % 12; left > 0; --left) text += parts[random() % parts.size()];
    const std::string_view whole = text;
    const std::size_t at = last_sure_boundary(whole.substr(0, random() % (text.size() + 1)));
    Pieces both = pieces_of(whole.substr(0, at));
    const Pieces rest = pieces_of(whole.substr(at)), all = pieces_of(whole);
    both.list.insert(both.list.end(), rest.list.begin(), rest.list.end());
    ASSERT_EQ(both.list, all.list) << text << " at " << at;
    ASSERT_EQ(both.invalid + rest.invalid, all.invalid);
    cuts += at > 0 ? 1 : 0;
  }
  EXPECT_GT(cuts, 5000);
}

}  // namespace
}  // namespace gpt
