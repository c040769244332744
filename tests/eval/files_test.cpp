// The files of evaluations: HellaSwag's two, LAMBADA's, and what is wrong with them.
#include <cmath>

#include <gtest/gtest.h>

#include "gpt/eval/hellaswag.h"
#include "gpt/eval/lambada.h"
#include "gpt/text/char_tokenizer.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;
using Ids = std::vector<std::int64_t>;

// Printable ASCII and two letters beyond: token = place in this list.
CharTokenizer ascii() {
  std::u32string characters = U"\n";
  for (char32_t c = U' '; c <= U'~'; ++c) characters.push_back(c);
  return CharTokenizer(characters + U"\u00e9\u00fc");
}

std::string text_of(const Ids& ids) {
  return ascii().decode(ids);
}

const std::string kExample =
    R"({"ind": 24, "activity_label": "Roof removal", "ctx_a": "A man sits.", "ctx_b": "he LOOKS", )"
    R"("ctx": "A man sits. he LOOKS", "label": 1, "endings": ["up [step] now.", " down."]})";

TEST(Hellaswag, LlmcsStyle) {
  const TempDir dir;
  const auto path = dir.write("h.jsonl", kExample + "\n\n" + kExample);
  const auto examples = read_hellaswag_jsonl(path, ascii(), HellaswagStyle::kLlmc);
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(text_of(examples[0].context), "A man sits. he LOOKS");
  EXPECT_EQ(text_of(examples[0].endings[0]), " up [step] now.");
  EXPECT_EQ(text_of(examples[0].endings[1]), "  down.");
  EXPECT_EQ(examples[0].label, 1u);
}

TEST(Hellaswag, LmEvalsStyle) {
  const TempDir dir;
  const auto path = dir.write("h.jsonl", kExample);
  const auto examples = read_hellaswag_jsonl(path, ascii(), HellaswagStyle::kLmEval);
  ASSERT_EQ(examples.size(), 1u);
  EXPECT_EQ(text_of(examples[0].context), "Roof removal: A man sits. He looks");
  EXPECT_EQ(text_of(examples[0].endings[0]), " up now.");
  EXPECT_EQ(text_of(examples[0].endings[1]), " down.");
  EXPECT_EQ(examples[0].characters, (Ids{7, 5}));
}

// Each expectation is what Python's strip, replace, re.sub(r"\[.*?\]", "") and replace give.
TEST(Hellaswag, CleanedAsPythonCleans) {
  EXPECT_EQ(hellaswag_cleaned("  a [title] B [step] c  [x][y] d\n"), "a. B c  d");
  EXPECT_EQ(hellaswag_cleaned("a [open"), "a [open");
  EXPECT_EQ(hellaswag_cleaned("[a\nb] [c]"), "[a\nb] ");
  EXPECT_EQ(hellaswag_cleaned("[[a]]"), "]");
  EXPECT_EQ(hellaswag_cleaned("a    b"), "a  b");
  EXPECT_EQ(hellaswag_cleaned(" \n"), "");
}

TEST(Hellaswag, ALabelMayBeItsTextAndCharactersAreCodePoints) {
  const TempDir dir;
  const auto path = dir.write("h.jsonl", R"({"ctx": "a", "label": "0", "endings": ["é", "ü b"]})");
  const auto examples = read_hellaswag_jsonl(path, ascii(), HellaswagStyle::kLlmc);
  EXPECT_EQ(examples[0].label, 0u);
  EXPECT_EQ(examples[0].characters, (Ids{1, 3}));
}

std::string words(const std::vector<int>& values) {
  std::string bytes;
  for (const int v : values) {
    bytes += static_cast<char>(v & 255);
    bytes += static_cast<char>(v >> 8);
  }
  return bytes;
}

std::string header(int magic, int version, int examples) {
  std::string bytes(1024, '\0');
  const int values[3] = {magic, version, examples};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t b = 0; b < 4; ++b)
      bytes[4 * i + b] = static_cast<char>(static_cast<unsigned>(values[i]) >> (8 * b));
  return bytes;
}

// As dev/data/data_common.py writes it: 13 numbers of two bytes.
const std::vector<int> kFirst{65535, 26, 0, 1, 2, 2, 11, 12, 1, 21, 2, 1, 23};

TEST(HellaswagBin, LlmcsFile) {
  const TempDir dir;
  const auto path = dir.write("h.bin", header(20240522, 1, 2) + words(kFirst) + words(kFirst));
  EXPECT_TRUE(is_hellaswag_bin(path));
  const CharTokenizer tokenizer = ascii();
  const auto examples = read_hellaswag_bin(path, 50, &tokenizer);
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(examples[1].context, (Ids{11, 12}));
  EXPECT_EQ(examples[1].endings, (std::vector<Ids>{{21}, {1, 23}}));
  EXPECT_EQ(examples[1].label, 1u);
  EXPECT_EQ(examples[1].characters, (Ids{1, 1}));  // token 1 is a space, which does not count
  EXPECT_TRUE(read_hellaswag_bin(path, 50, nullptr)[0].characters.empty());
}

TEST(HellaswagBin, DamageIsNamed) {
  const TempDir dir;
  const auto refusal = [&](const std::string& bytes, std::int64_t vocab_size = 50) {
    const auto path = dir.write("h.bin", bytes);
    return error_text([&] { read_hellaswag_bin(path, vocab_size, nullptr); });
  };
  const auto with = [&](std::size_t place, int value) {
    auto values = kFirst;
    values[place] = value;
    return header(20240522, 1, 1) + words(values);
  };
  const std::string good = header(20240522, 1, 1) + words(kFirst);
  EXPECT_EQ(refusal(good), "");
  const std::vector<std::pair<std::string, std::string>> cases{
      {refusal("short"), "shorter than its header"},
      {refusal(header(20240520, 1, 1)), "expected magic 20240522"},
      {refusal(header(20240522, 2, 1)), "version"},
      {refusal(good, 23), "token 23, but the model has 23"},
      {refusal(good.substr(0, good.size() - 1)), "the file ends before"},
      {refusal(good + "x"), "continues after its last example"},
      {refusal(with(0, 1)), "expected 65535"},
      {refusal(with(1, 28)), "takes 26 bytes, but says 28"},
      {refusal(with(3, 2)), "label 2 of 2 endings"},
      {refusal(with(5, 0)), "expected at least one token"},
      {refusal(with(10, 60000)), "the file ends before"},
  };
  for (const auto& [text, part] : cases) EXPECT_NE(text.find(part), std::string::npos) << text;
}

TEST(Lambada, TheLastWordWithItsSpace) {
  const TempDir dir;
  const auto path = dir.write("l.jsonl", "{\"text\": \"she said yes\"}\n{\"text\": \"a  b\"}\n");
  const auto examples = read_lambada(path, ascii());
  ASSERT_EQ(examples.size(), 2u);
  EXPECT_EQ(text_of(examples[0].context), "she said");
  EXPECT_EQ(text_of(examples[0].word), " yes");
  EXPECT_EQ(text_of(examples[1].context), "a");
  EXPECT_EQ(text_of(examples[1].word), "  b");
}

TEST(Lambada, RightIfEachTokenIsTheLikeliest) {
  // Token t costs t / 10; even tokens are the likeliest.
  const Scorer scorer = [](std::span<const ScoreRequest> requests) {
    std::vector<std::vector<TokenScore>> all;
    for (const ScoreRequest& r : requests) {
      all.emplace_back();
      for (std::size_t i = r.first; i < r.tokens.size(); ++i)
        all.back().push_back({static_cast<double>(r.tokens[i]) / 10, r.tokens[i] % 2 == 0});
    }
    return all;
  };
  const std::vector<LastWord> examples{{{1}, {2, 4}}, {{1}, {2, 3}}, {{1, 5}, {6}}};
  for (const std::int64_t batch : {1, 2, 9}) {
    const LastWordScore s = score_last_words(examples, 10, batch, scorer);
    EXPECT_EQ(s.examples, 3);
    EXPECT_EQ(s.right, 2);
    EXPECT_NEAR(s.perplexity(), std::exp((0.6 + 0.5 + 0.6) / 3), 1e-12);
  }
}

TEST(JsonLines, AMalformedLineIsNamed) {
  const TempDir dir;
  const auto refusal = [&](const std::string& text, bool lambada = false) {
    const auto path = dir.write("x.jsonl", text);
    return error_text([&] {
      if (lambada)
        read_lambada(path, ascii());
      else
        read_hellaswag_jsonl(path, ascii(), HellaswagStyle::kLlmc);
    });
  };
  const std::vector<std::pair<std::string, std::string>> cases{
      {refusal(kExample + "\n{\"ctx\": "), "x.jsonl:2: not valid JSON"},
      {refusal("[1]"), "x.jsonl:1: no JSON object"},
      {refusal(""), "x.jsonl: is empty"},
      {refusal("{}"), "x.jsonl:1: endings: expected a list of texts, found nothing"},
      {refusal(R"({"endings": [1]})"), "x.jsonl:1: endings: expected a list of texts, found"},
      {refusal(R"({"endings": ["a"], "label": 0})"), "x.jsonl:1: ctx: expected a text"},
      {refusal(R"({"endings": ["a"], "label": 1, "ctx": "b"})"), "label: expected a number from 0"},
      {refusal(R"({"endings": ["a"], "label": 0, "ctx": ""})"), "ctx: expected a text, found none"},
      {refusal(R"({"endings": ["\u0416"], "label": 0, "ctx": "b"})"), "x.jsonl:1: endings"},
      {refusal(R"({"text": 5})", true), "x.jsonl:1: text: expected a text, found a value of type"},
      {refusal(R"({"text": "word"})", true), "a space and a last word"},
      {refusal(R"({"text": "word "})", true), "a space and a last word"},
  };
  for (const auto& [text, part] : cases) EXPECT_NE(text.find(part), std::string::npos) << text;
}

}  // namespace
}  // namespace gpt
