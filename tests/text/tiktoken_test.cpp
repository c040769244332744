// Every id against tiktoken's, which scripts/setup --with-tests installs.
#include <random>

#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/base/strings.h"
#include "gpt/text/bpe_tokenizer.h"
#include "gpt/text/tokenizer_files.h"
#include "gpt/text/utf8.h"

#include "support/python.h"
#include "support/temp_dir.h"
#include "text/tokens_items.h"

namespace gpt {
namespace {

constexpr EncodeOptions kAddedTokens{.added_tokens = true};

using testing::escaped;
using testing::from_items;
using testing::to_items;

class Tiktoken : public ::testing::Test {
 protected:
  void SetUp() override {
    python_ = testing::venv_python("extras");
    if (python_.empty() || !fs::exists(gpt2_vocabulary_file()))
      GTEST_SKIP() << "no tiktoken or no gpt2.tiktoken; scripts/setup --with-tests installs both";
    tokenizer_ = open_tokenizer("gpt2");
  }

  void expect_same_ids(const std::vector<std::string>& texts, const EncodeOptions& options = {}) {
    const testing::TempDir dir;
    replace_file(dir / "texts", to_items(texts));
    const auto run = testing::run_python(python_, "tests/text/tiktoken_ids.py",
                                         {gpt2_vocabulary_file(), dir / "texts", dir / "ids",
                                          options.added_tokens ? "as_token" : "as_text"});
    ASSERT_EQ(run.code, 0) << run.out;
    const auto expected = from_items(read_file(dir / "ids"));
    ASSERT_EQ(expected.size(), texts.size());
    int failures = 0;
    for (std::size_t i = 0; i < texts.size() && failures < 5; ++i) {
      std::vector<std::int32_t> ids;
      tokenizer_->append_ids(texts[i], "text", ids, options);
      const bool same = ids == expected[i] && tokenizer_->decode(ids) == texts[i];
      EXPECT_TRUE(same) << "text " << i << ": " << escaped(texts[i]);
      failures += same ? 0 : 1;
    }
  }

  // Up to 24 of `parts`, which a tilde separates, in a row.
  std::vector<std::string> random_mixtures(std::string_view parts, int count) {
    std::vector<std::string_view> list;
    for (std::size_t end; (end = parts.find('~')) != parts.npos; parts.remove_prefix(end + 1))
      list.push_back(parts.substr(0, end));
    list.push_back(parts);
    std::vector<std::string> texts(static_cast<std::size_t>(count));
    for (std::string& text : texts)
      for (auto left = random_() % 25; left > 0; --left) text += list[random_() % list.size()];
    return texts;
  }

  std::string python_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::mt19937 random_{1337};
};

TEST_F(Tiktoken, TablesAreThoseOfItsRegularExpressions) {
  const auto run = testing::run_python(python_, "scripts/make_unicode_ranges.py", {"--check"});
  EXPECT_EQ(run.code, 0) << run.out;
}

TEST_F(Tiktoken, EveryCodePointAmongEveryKindOfNeighbour) {
  std::vector<std::string> texts;
  for (char32_t block = 0; block < 0x110000; block += 0x40) {
    std::u32string text;
    for (char32_t code = block; code < block + 0x40; ++code)
      if (code < 0xD800 || code > 0xDFFF)
        text.append(
            {U'a', code, U'a', U' ', code, U'1', code, U'.', code, U' ', U' ', code, U'\''});
    texts.push_back(to_utf8(text));
  }
  expect_same_ids(texts);
}

TEST_F(Tiktoken, RandomMixturesOfEdgeCases) {
  expect_same_ids(random_mixtures(
      "'~'s~'S~'t~'re~'ve~'m~'ll~'d~'l~'r~''~ ~  ~   ~\n~\r\n~\t~\v~\x1c~\x85~\u0085~\u00a0~\u180e~"
      "\u200b~\u2028~\u3000~\ufeff~a~the~The~\u00e9~e\u0301~\u00df~\u4e2d~\u6587~0~12~\u0663~"
      "\u00bd~"
      "\u2167~\u00b2~.~!!~-~_~\u201c~\u00ab~\U0001F600~\U0001F468\u200d\U0001F469~\U0001F1E6~"
      "\ufffd~"
      "\u0e01\u0e32~\u05d0~\u0627~\u0928\u094d~<|endoftext|>~<|~|>~endoftext~\x7f~\xc3~\xff~"
      "\xe4\xb8~"
      "\xf0\x9f\x98",
      30000));
}

TEST_F(Tiktoken, EndOfTextAsToken) {
  const auto texts = random_mixtures("<|endoftext|>~<|endoftext~|>~<|~ ~  ~\n~a~ the~'s~'", 5000);
  expect_same_ids(texts, kAddedTokens);
  expect_same_ids(texts);
}

TEST_F(Tiktoken, RandomBytes) {
  std::vector<std::string> texts;
  for (int i = 0; i < 3000; ++i) {
    std::string text(random_() % 200, ' ');
    for (char& c : text) c = static_cast<char>(random_());
    texts.push_back(text);
  }
  expect_same_ids(texts);
}

TEST_F(Tiktoken, RandomLettersSoThatMergesCompete) {
  std::vector<std::string> texts;
  for (const std::string_view letters : {"ab", "aeinrst", " e", "abcdefghijklmnopqrstuvwxyz"})
    for (int i = 0; i < 3000; ++i) {
      std::string text(random_() % 40 + 1, ' ');
      for (char& c : text) c = letters[random_() % letters.size()];
      texts.push_back(text);
    }
  expect_same_ids(texts);
}

TEST_F(Tiktoken, LongRunsWithoutASpace) {
  std::string mixed, digits;
  for (int i = 0; i < 100000; ++i) {
    mixed += static_cast<char>('a' + random_() % 26);
    digits += static_cast<char>('0' + random_() % 10);
  }
  std::string chinese;
  for (int i = 0; i < 30000; ++i) append_utf8(0x4E00 + random_() % 0x5000, chinese);
  std::string words;
  for (int i = 0; i < 20000; ++i) words += "theandofinto";
  expect_same_ids({std::string(100000, 'a'), std::string(100000, ' '), std::string(100000, '!'),
                   std::string(100001, '-'), mixed, digits, chinese, words,
                   std::string(99999, '\n') + "x", std::string(50000, '\xff')});
}

TEST_F(Tiktoken, Code) {
  std::vector<std::string> texts;
  for (const char* folder : {"src", "tests", "scripts"})
    for (const auto& entry : fs::recursive_directory_iterator(fs::path(GPT_SOURCE_DIR) / folder))
      if (entry.is_regular_file()) texts.push_back(read_file(entry.path()));
  ASSERT_GT(texts.size(), 100u);
  expect_same_ids(texts);
}

TEST_F(Tiktoken, Shakespeare) {
  const fs::path file = fs::path(GPT_SOURCE_DIR) / "../shared/data/tinyshakespeare.txt";
  if (!fs::exists(file)) GTEST_SKIP() << file << " is not there";
  const std::string text = read_file(file);
  // As one text, and with every line on its own.
  std::vector<std::string> texts = {text};
  for (std::size_t at = 0, end; (end = text.find('\n', at)) != text.npos; at = end + 1)
    texts.push_back(text.substr(at, end + 1 - at));
  expect_same_ids(texts);
}

}  // namespace
}  // namespace gpt
