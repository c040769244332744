#include "gpt/corpus/dataset_meta.h"

#include "gpt/base/files.h"

#include "support/temp_folder.h"

namespace gpt {
namespace {

const std::string kVocabularyPart =
    R"("format": "gpttrain-meta", "version": 1, "tokenizer": "char", "vocab_size": 1, "itos": ["a"])";

std::string error_with(const std::string& more) {
  const TempFolder folder;
  folder.write("meta.json", "{" + kVocabularyPart + ", " + more + "}");
  const std::string text = error_of([&] { read_dataset_meta(folder.path()); });
  const std::string start = (folder / "meta.json").string() + ": ";
  return text.starts_with(start) ? text.substr(start.size()) : text;
}

TEST(DatasetMeta, AbsentFileIsNoMeta) {
  const TempFolder folder;
  EXPECT_FALSE(read_dataset_meta(folder.path()).has_value());
  EXPECT_FALSE(read_dataset_meta(folder / "missing").has_value());
}

TEST(DatasetMeta, RoundTrips) {
  const TempFolder folder;
  const DatasetMeta meta{
      .tokenizer = CharTokenizer(std::u32string(U"\0\n\"\\\u0085\u00e9\u202e\U0001F600", 8)),
      .characters = 1115394,
      .train_tokens = 1003854,
      .val_tokens = 111540,
      .train_crc32c = "00c0ffee",
      .val_crc32c = "deadbeef",
      .sources = {"input.txt", "b\u00e9"},
      .invalid_utf8 = 3};
  const std::string text = to_json(meta);
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c >= ' ' && c < 0x7F));
  folder.write("meta.json", text);
  const auto back = read_dataset_meta(folder.path());
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->tokenizer.characters(), meta.tokenizer.characters());
  EXPECT_EQ(back->vocab_size(), 8);
  EXPECT_EQ(back->characters, 1115394);
  EXPECT_EQ(back->train_tokens, 1003854);
  EXPECT_EQ(back->val_tokens, 111540);
  EXPECT_EQ(back->train_crc32c, "00c0ffee");
  EXPECT_EQ(back->val_crc32c, "deadbeef");
  EXPECT_EQ(back->sources, meta.sources);
  EXPECT_EQ(back->invalid_utf8, 3);
}

TEST(DatasetMeta, EveryScalarValueRoundTrips) {
  const TempFolder folder;
  for (char32_t first : {0x0u, 0x10000u, 0x20000u, 0x100000u}) {
    std::u32string characters;
    for (char32_t code = first; code < first + 0x10000; ++code)
      if (code < 0xD800 || code > 0xDFFF) characters.push_back(code);
    folder.write("meta.json", to_json({.tokenizer = CharTokenizer(characters)}));
    EXPECT_TRUE(read_dataset_meta(folder.path())->tokenizer.characters() == characters);
  }
}

TEST(DatasetMeta, OnlyTheVocabularyMustBeThere) {
  const TempFolder folder;
  folder.write("meta.json", "{" + kVocabularyPart + "}");
  EXPECT_EQ(read_dataset_meta(folder.path())->vocab_size(), 1);
  EXPECT_EQ(read_dataset_meta(folder.path())->train_tokens, 0);
}

TEST(DatasetMeta, BadFilesSayWhatIsWrong) {
  EXPECT_EQ(error_with(R"("characters": "many")"),
            "characters: expected a count, found a value of type string");
  EXPECT_EQ(error_with(R"("train_tokens": -1)"),
            "train_tokens: expected a count, found a value of type number");
  EXPECT_EQ(error_with(R"("val_tokens": 1.5)"),
            "val_tokens: expected a count, found a value of type number");
  EXPECT_EQ(error_with(R"("invalid_utf8": null)"),
            "invalid_utf8: expected a count, found a value of type null");
  EXPECT_EQ(error_with(R"("val_crc32c": 7)"),
            "val_crc32c: expected a text, found a value of type number");
  EXPECT_EQ(error_with(R"("train_crc32c": [])"),
            "train_crc32c: expected a text, found a value of type array");
  EXPECT_EQ(error_with(R"("sources": ["a", 1])"),
            "sources: expected a list of texts, found a value of type array");
  EXPECT_EQ(error_with(R"("itos": ["a", "b"])"), "vocab_size: expected 2, found 1");
}

}  // namespace
}  // namespace gpt
