#include "gpt/dataprep/end_split.h"

#include <gtest/gtest.h>

#include "gpt/base/checksum.h"
#include "gpt/base/files.h"
#include "gpt/dataprep/chunk_encoder.h"

#include "dataprep/pair_tokenizer.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::TempDir;

TEST(EndSplit, TrainingHasPythonsShare) {
  EXPECT_EQ(train_character_count(1115394, 0.1), 1003854);
  EXPECT_EQ(train_character_count(10, 0.1), 9);
  for (std::int64_t n = 0; n < 2000000; n = n * 5 / 4 + 1)
    EXPECT_EQ(train_character_count(n, 0.1),
              static_cast<std::int64_t>(static_cast<double>(n) * 0.9));
  // Python: [int(n * (1 - f)) for n, f in ...]
  EXPECT_EQ(train_character_count(100, 0.9), 9);
  EXPECT_EQ(train_character_count(9035582198, 0.0005), 9031064406);
  EXPECT_EQ(train_character_count(1000, 0.3), 700);
}

// Every place of a text of some documents against tokenizing both sides from scratch.
TEST(EndSplit, EqualsTokenizingBothSides) {
  const PairTokenizer tokenizer;
  const std::vector<std::string> documents = {"abcde fgh", "", "\u00e9\u4f60 xyz", "abcdefghi"};
  std::vector<std::int32_t> all;
  std::string text;
  for (const std::string& document : documents) {
    tokenizer.append_ids(document, "", all);
    all.push_back(*tokenizer.end_of_text());
    text += document;
  }
  const std::int64_t characters = count_characters(text);
  for (std::int64_t cut = 0; cut < characters; ++cut) {
    std::vector<std::int32_t> train, val;  // the naive way
    std::int64_t left = cut;
    for (const std::string& document : documents) {
      std::size_t at = 0;
      while (at < document.size() && (left > 0 || (document[at] & 0xC0) == 0x80))
        left -= (document[at++] & 0xC0) != 0x80;
      tokenizer.append_ids(document.substr(0, at), "", train);
      const bool whole = at == document.size();
      tokenizer.append_ids(document.substr(at), "", val);
      (whole && val.empty() ? train : val).push_back(*tokenizer.end_of_text());
    }
    const TempDir folder;
    PrepareState state;
    std::string bytes;
    append_token_bytes(all, 2, bytes);
    folder.write("train", bytes);
    state.train.bytes = bytes.size();
    state.text_characters = characters;
    // A mark in the middle, behind the first document, whose checksum is not read again.
    std::vector<std::int32_t> first;
    tokenizer.append_ids(documents[0], "", first);
    first.push_back(*tokenizer.end_of_text());
    std::string first_bytes;
    append_token_bytes(first, 2, first_bytes);
    state.marks.push_back({count_characters(documents[0]), std::ssize(first),
                           crc32c(std::as_bytes(std::span(first_bytes)))});
    int saves = 0;
    const double fraction = 1 - (static_cast<double>(cut) + 0.5) / static_cast<double>(characters);
    ASSERT_EQ(train_character_count(characters, fraction), cut);
    cut_at_end(state, folder / "train", folder / "val", fraction, tokenizer, [&] { ++saves; });
    std::string wanted_train, wanted_val;
    append_token_bytes(train, 2, wanted_train);
    append_token_bytes(val, 2, wanted_val);
    EXPECT_EQ(read_file(folder / "train"), wanted_train) << cut;
    EXPECT_EQ(read_file(folder / "val"), wanted_val) << cut;
    EXPECT_EQ(saves, 1);
    // Once more from the cut that was saved, as after a crash in the second step.
    cut_at_end(state, folder / "train", folder / "val", fraction, tokenizer, [&] { ++saves; });
    EXPECT_EQ(read_file(folder / "train"), wanted_train) << cut;
    EXPECT_EQ(saves, 1);
    EXPECT_EQ(state.train.crc, crc32c(std::as_bytes(std::span(wanted_train))));
    EXPECT_EQ(state.val.crc, crc32c(std::as_bytes(std::span(wanted_val))));
  }
}

TEST(EndSplit, MarksAreKeptWhereTheCutCanStillFall) {
  std::vector<TextMark> marks = {{}};
  constexpr std::int64_t kStep = 300000;
  for (std::int64_t at = kStep; at <= 1000 * kStep; at += kStep) {
    add_mark(marks, {at, at / 4, 0}, 0.1);
    ASSERT_LE(marks.front().characters, train_character_count(at, 0.1));
  }
  EXPECT_LT(marks.size(), 40u);  // 30 M characters of 300 M
  for (std::size_t i = 1; i < marks.size(); ++i)
    EXPECT_GE(marks[i].characters - marks[i - 1].characters, 1 << 20);
}

}  // namespace
}  // namespace gpt
