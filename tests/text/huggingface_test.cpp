// Every id against Hugging Face's `tokenizers`, over vocabularies of all kinds that are read.
#include <cstdlib>
#include <random>

#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/text/bpe_tokenizer.h"
#include "gpt/text/bpe_trainer.h"
#include "gpt/text/char_tokenizer.h"
#include "gpt/text/tokenizer_files.h"
#include "gpt/text/utf8.h"

#include "support/python.h"
#include "support/temp_dir.h"
#include "text/tokens_items.h"

namespace gpt {
namespace {

using testing::escaped;
using testing::from_items;
using testing::run_python;
using testing::TempDir;

constexpr const char* kScript = "tests/text/random_tokenizers.py";

class HuggingFace : public ::testing::Test {
 protected:
  void SetUp() override {
    python_ = testing::venv_python("extras");
    if (python_.empty())
      GTEST_SKIP() << "no tokenizers package; scripts/setup --with-tests installs it";
  }
  std::string python_;
  TempDir dir_;
};

// Wherever a text is cut where it may be, the parts have the ids of the whole.
void expect_safe_cuts(const Tokenizer& tokenizer, const std::string& text,
                      const EncodeOptions& options, const std::vector<std::int32_t>& expected) {
  for (std::size_t size = 0; size <= text.size(); ++size) {
    const std::size_t cut = tokenizer.safe_cut(std::string_view(text).substr(0, size), options);
    if (cut == 0) continue;
    std::vector<std::int32_t> ids;
    EncodeOptions rest = options;
    rest.continues = true;
    tokenizer.append_ids(std::string_view(text).substr(0, cut), "text", ids, options);
    tokenizer.append_ids(std::string_view(text).substr(cut), "text", ids, rest);
    ASSERT_EQ(ids, expected) << "cut at " << cut << " of " << escaped(text);
  }
}

void expect_same_ids(const Tokenizer& tokenizer, const fs::path& folder, bool added_tokens) {
  const auto texts = testing::texts_from_items(read_file(folder / "texts"));
  const auto expected = from_items(read_file(folder / (added_tokens ? "ids" : "plain_ids")));
  ASSERT_EQ(texts.size(), expected.size());
  const EncodeOptions options{.added_tokens = added_tokens};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::vector<std::int32_t> ids;
    tokenizer.append_ids(texts[i], "text", ids, options);
    ASSERT_EQ(ids, expected[i]) << escaped(texts[i]);
    if (tokenizer.restores_text() && !added_tokens) {
      ASSERT_EQ(tokenizer.decode(ids), texts[i]);
    }
    expect_safe_cuts(tokenizer, texts[i], options, ids);
  }
}

TEST_F(HuggingFace, RandomVocabulariesGiveItsIds) {
  const char* const more = std::getenv("GPTTRAIN_VOCABULARIES");  // for a longer search by hand
  const int count = more ? std::atoi(more) : 60;
  const auto made = run_python(python_, kScript, {"make", dir_.path(), "7", std::to_string(count)});
  ASSERT_EQ(made.code, 0) << made.out;
  for (int number = 0; number < count; ++number) {
    const fs::path folder = dir_ / std::to_string(number);
    SCOPED_TRACE(folder);
    const BpeTokenizer tokenizer(read_bpe_vocabulary(folder));
    expect_same_ids(tokenizer, folder, /*added_tokens=*/true);
    expect_same_ids(tokenizer, folder, /*added_tokens=*/false);
    replace_file(folder / "ours.json", tokenizer.vocabulary().tokenizer_json());
    if (HasFatalFailure()) return;
  }
  // What we write of them is the same tokenizers.
  const auto checked = run_python(python_, kScript, {"check", dir_.path()});
  EXPECT_EQ(checked.code, 0) << checked.out;
}

TEST_F(HuggingFace, ACharacterVocabularyIsOneOfTransformers) {
  const std::u32string characters =
      U"\n\r\t !\"'<>\\abcxyz\u00a0\u00e9\u0301\u200d\u4e2d\ufeff\U0001F600";
  const CharTokenizer tokenizer(characters);
  std::vector<std::string> texts = {to_utf8(characters), "a  b\n\n c <a> '\\' ! .", " a ", "\r\n"};
  texts[1].erase(texts[1].size() - 2);
  std::mt19937 random(3);
  for (int i = 0; i < 200; ++i) {
    std::u32string text;
    for (auto left = random() % 30 + 1; left > 0; --left)
      text += characters[random() % characters.size()];
    texts.push_back(to_utf8(text));
  }
  const std::string json = tokenizer.tokenizer_json();
  replace_file(dir_ / "tokenizer.json", json);
  replace_file(dir_ / "tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast",)"
                                               R"( "clean_up_tokenization_spaces": false})");
  replace_file(dir_ / "texts", testing::to_items(texts));
  const auto run = run_python(python_, "tests/text/character_tokenizer.py",
                              {dir_.path(), dir_ / "texts", dir_ / "ids"});
  ASSERT_EQ(run.code, 0) << run.out;
  const auto ids = from_items(read_file(dir_ / "ids"));
  ASSERT_EQ(ids.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::vector<std::int32_t> ours;
    tokenizer.append_ids(texts[i], "text", ours);
    EXPECT_EQ(ours, ids[i]) << escaped(texts[i]);
  }
  // And it is read again.
  EXPECT_EQ(CharTokenizer::from_tokenizer_json(json, "t.json").characters(), characters);
  EXPECT_EQ(open_tokenizer(dir_.path())->name(), "char");
}

// Words over few letters, so that many pairs are equally frequent, and spaces of all kinds.
std::string text_to_train_on(unsigned seed) {
  std::mt19937 random(seed);
  const std::vector<std::string> parts = {"a",  "b",  "ab",   "the",  "he",     "t",  " ",      " ",
                                          "\n", "e",  "\n\n", "1",    "\u00e9", "'s", "\u4e2d", ".",
                                          "  ", "er", "in",   " the", "\r\n",   "\t"};
  std::string text;
  for (int i = 0; i < 6000; ++i) text += parts[random() % (seed % 2 ? 8 : parts.size())];
  return text;
}

TEST_F(HuggingFace, TrainingFindsItsMerges) {
  for (const unsigned seed : {1u, 2u, 3u, 4u}) {
    const std::string text = text_to_train_on(seed);
    replace_file(dir_ / "text", text);
    const bool lines = seed < 3;
    const std::int64_t size = 300 + 200 * seed, least = seed == 4 ? 3 : 0;
    fs::create_directories(dir_ / "out");
    const auto run = run_python(python_, "tests/text/train_tokenizer.py",
                                {dir_ / "text", std::to_string(size), std::to_string(least),
                                 lines ? "lines" : "whole", dir_ / "out"});
    ASSERT_EQ(run.code, 0) << run.out;
    WordCounts words;
    for (std::size_t at = 0; lines && at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
      words.add_text(std::string_view(text).substr(at, end - at));
      at = end;
    }
    if (!lines) words.add_text(text);
    const auto vocabulary = train_bpe(words, {.vocab_size = size, .min_frequency = least});
    ASSERT_TRUE(vocabulary);
    EXPECT_EQ(vocabulary->merges_txt(), read_file(dir_ / "out/merges.txt")) << seed;
    EXPECT_EQ(vocabulary->end_of_text, std::ssize(vocabulary->tokens) - 1);
  }
}

}  // namespace
}  // namespace gpt
