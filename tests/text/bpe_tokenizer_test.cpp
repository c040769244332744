#include "gpt/text/bpe_tokenizer.h"

#include <algorithm>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/text/tokenizer_files.h"

namespace gpt {
namespace {

constexpr EncodeOptions kAddedTokens{.added_tokens = true};
using Ids = std::vector<std::int64_t>;

BpeTokenizer small_tokenizer() {
  return BpeTokenizer(parse_merges("t h\nth e\n\u0120 the\n\u00e2 \u0124\n", "m.txt"));
}

// What tiktoken 0.14 gives for GPT-2.
TEST(BpeTokenizer, KnownAnswersOfGpt2) {
  if (!fs::exists(gpt2_vocabulary_file()))
    GTEST_SKIP() << gpt2_vocabulary_file() << " is not there; scripts/setup fetches it";
  const auto tokenizer = open_tokenizer("gpt2");
  const std::vector<std::pair<std::string, Ids>> cases = {
      {"Hello, world!", {15496, 11, 995, 0}},
      {"  The quick brown fox\n\njumps over 13 lazy dogs.",
       {220, 383, 2068, 7586, 21831, 198, 198, 73, 8142, 625, 1511, 16931, 6844, 13}},
      {"it's we'll they'RE", {270, 338, 356, 1183, 484, 6, 2200}},
      {"na\u00efve caf\u00e9 \u2014 \u201cquotes\u201d",
       {2616, 38776, 40304, 851, 564, 250, 421, 6421, 447, 251}},
      {"\u65e5\u672c\u8a9e\u30c6\u30ad\u30b9\u30c8",
       {33768, 98, 17312, 105, 45739, 252, 24336, 25084, 43302}},
      {"\U0001F600\U0001F44D\U0001F3FD", {47249, 222, 41840, 235, 8582, 237, 121}},
      {"def f(x):\n    return x**2\n",
       {4299, 277, 7, 87, 2599, 198, 220, 220, 220, 1441, 2124, 1174, 17, 198}},
      {std::string(30, 'x'), {24223, 24223, 24223, 12343, 5324}},
      {"\u00a0\u3000", {1849, 5099, 222}},
      {"antidisestablishmentarianism", {415, 29207, 44390, 3699, 1042}},
      {"<|endoftext|>", {27, 91, 437, 1659, 5239, 91, 29}},
      {"", {}}};
  for (int round = 0; round < 2; ++round)  // the second time from the table of words
    for (const auto& [text, ids] : cases) {
      EXPECT_EQ(tokenizer->encode(text, "text"), ids) << text;
      EXPECT_EQ(tokenizer->encode(text + " and so on", "text").size(), ids.size() + 3) << text;
      EXPECT_EQ(tokenizer->decode(ids), text);
    }
  EXPECT_EQ(tokenizer->encode("a<|endoftext|>b", "text", kAddedTokens), (Ids{64, 50256, 65}));
}

TEST(BpeTokenizer, EndOfTextIsATokenOnlyWhereItIsAskedFor) {
  const BpeTokenizer tokenizer = small_tokenizer();
  ASSERT_EQ(tokenizer.end_of_text(), 260);
  const std::string text = "the<|endoftext|> the<|endoftext|><|endoftext|>";
  EXPECT_EQ(tokenizer.encode(text, "text", kAddedTokens), (Ids{257, 260, 258, 260, 260}));
  const Ids as_text = tokenizer.encode(text, "text");
  EXPECT_EQ(std::count(as_text.begin(), as_text.end(), 260), 0);
  EXPECT_EQ(tokenizer.decode(as_text), text);
  EXPECT_EQ(tokenizer.decode(Ids{257, 260}), "the<|endoftext|>");
}

TEST(BpeTokenizer, TokensThatAreNoneGiveTheReplacement) {
  EXPECT_EQ(small_tokenizer().decode(Ids{257, 261, -1, 1 << 20}), "the\uFFFD\uFFFD\uFFFD");
}

TEST(BpeTokenizer, AnyBytesComeBackAndTheIllFormedAreCounted) {
  const BpeTokenizer tokenizer = small_tokenizer();
  std::vector<std::int32_t> ids;
  EXPECT_EQ(tokenizer.append_ids("\xff the\xc3 \xe2\x82\xac\xe2\x82", "text", ids), 3);
  EXPECT_EQ(tokenizer.decode(ids), "\xff the\xc3 \xe2\x82\xac\xe2\x82");
  std::mt19937 random(4);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 100, ' ');
    for (char& c : text) c = static_cast<char>(random());
    ids.clear();
    tokenizer.append_ids(text, "text", ids);
    ASSERT_EQ(tokenizer.decode(ids), text);
  }
}

// A word's ids do not depend on whether it was met before, nor on how near the end it stands.
TEST(BpeTokenizer, TheTableOfWordsChangesNothing) {
  const BpeTokenizer warm = small_tokenizer();
  std::mt19937 random(5);
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (auto words = random() % 60; words > 0; --words) {
      std::string word(random() % 18 + 1, ' ');
      for (char& c : word) c = "theth\xe2\x82\xac\0"[random() % 9];
      text += " " + word;
    }
    const Ids first = warm.encode(text, "text");
    EXPECT_EQ(warm.encode(text, "text"), first);
    EXPECT_EQ(small_tokenizer().encode(text, "text"), first);
    EXPECT_EQ(warm.decode(first), text);
  }
}

TEST(BpeTokenizer, PartsCutAtSafePlacesHaveTheIdsOfTheWhole) {
  const BpeTokenizer tokenizer = small_tokenizer();
  std::mt19937 random(6);
  for (int i = 0; i < 2000; ++i) {
    std::string text(random() % 80, ' ');
    for (char& c : text) c = "the \xe2\x82\xac'1\n"[random() % 10];
    const std::string_view whole = text;
    const std::size_t at = tokenizer.safe_cut(whole.substr(0, random() % (text.size() + 1)));
    Ids ids = tokenizer.encode(whole.substr(0, at), "text");
    const Ids rest = tokenizer.encode(whole.substr(at), "text");
    ids.insert(ids.end(), rest.begin(), rest.end());
    ASSERT_EQ(ids, tokenizer.encode(text, "text"));
  }
}

TEST(BpeTokenizer, ThreadsShareOne) {
  const BpeTokenizer tokenizer = small_tokenizer();
  std::string text;
  for (int i = 0; i < 20000; ++i)
    text += i % 7 == 0 ? " the" : i % 3 == 0 ? " then\u20ac" : "th\xff";
  const Ids expected = tokenizer.encode(text, "text");
  std::vector<Ids> found(8);
  std::vector<std::thread> threads;
  for (Ids& ids : found)
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) ids = tokenizer.encode(text, "text");
    });
  for (std::thread& thread : threads) thread.join();
  for (const Ids& ids : found) EXPECT_TRUE(ids == expected);
}

// Were the time to grow with the square of the length, this would take hours.
TEST(BpeTokenizer, MegabytesWithoutASpace) {
  const BpeTokenizer tokenizer = small_tokenizer();
  for (const std::string unit : {"t", "the", "\u4e2d", "\xff", " ", "'"}) {
    std::string text;
    while (text.size() < 4'000'000) text += unit;
    std::vector<std::int32_t> ids;
    tokenizer.append_ids(text, "text", ids);
    EXPECT_TRUE(tokenizer.decode(ids) == text) << unit;
  }
}

}  // namespace
}  // namespace gpt
