// `gpttrain tokenizer train`, and `prepare` with vocabularies that are not GPT-2's.
#include <gtest/gtest.h>

#include "gpt/text/bpe_tokenizer.h"

#include "support/child.h"

namespace gpt {
namespace {

using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;

std::vector<std::int64_t> tokens(const fs::path& file) {
  const std::string bytes = read_file(file);
  std::vector<std::int64_t> ids;
  for (std::size_t at = 0; at + 1 < bytes.size(); at += 2)
    ids.push_back(static_cast<unsigned char>(bytes[at]) | static_cast<unsigned char>(bytes[at + 1])
                                                              << 8);
  return ids;
}

std::vector<std::int64_t> all_tokens(const fs::path& dataset) {
  std::vector<std::int64_t> ids = tokens(dataset / "train.bin");
  const std::vector<std::int64_t> val = tokens(dataset / "val.bin");
  EXPECT_GT(val.size(), ids.size() / 20);
  ids.insert(ids.end(), val.begin(), val.end());
  return ids;
}

// Several chunks of text, in which every added token has its turn.
std::string long_text() {
  std::string text;
  for (int i = 0; text.size() < 700'000; ++i)
    text += i % 7 == 0   ? "<|user|> the"
            : i % 5 == 0 ? " then 12"
            : i % 3 == 0 ? "\n\ncafe\u0301 "
                         : " the he";
  return text;
}

BpeVocabulary small_vocabulary() {
  return parse_merges("t h\nth e\n\u0120 the\n1 2\n", "m.txt");
}

Finished prepare(const TempDir& dir, const std::string& out,
                 const std::string& more = "--split=auto") {
  return run(dir,
             {"prepare", "--tokenizer=tokens", "--out=" + out, "--threads=2", more, "text.txt"});
}

TEST(PrepareWithTokenizer, AddedTokensAreTextUnlessTheyAreAskedFor) {
  const TempDir dir;
  BpeVocabulary vocabulary = small_vocabulary();
  vocabulary.added.push_back({.content = "<|user|>", .id = 261, .rstrip = true});
  vocabulary.added.back().in_vocabulary = false;
  vocabulary.tokens.push_back("<|user|>");
  fs::create_directories(dir / "tokens");
  replace_file(dir / "tokens/tokenizer.json", vocabulary.tokenizer_json());
  const std::string text = long_text();
  dir.write("text.txt", text);
  const BpeTokenizer tokenizer(vocabulary);

  const Finished plain = prepare(dir, "plain");
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_NE(plain.err.find("'<|user|>' and the like stand"), std::string::npos) << plain.err;
  EXPECT_NE(plain.err.find("taken as ordinary text; --added_tokens=True"), std::string::npos);
  EXPECT_EQ(all_tokens(dir / "plain"), tokenizer.encode(text, "text"));

  const Finished added = prepare(dir, "added", "--added_tokens=True");
  ASSERT_EQ(added.code, 0) << added.err;
  EXPECT_NE(added.err.find("each became that one token"), std::string::npos) << added.err;
  EXPECT_EQ(all_tokens(dir / "added"), tokenizer.encode(text, "text", {.added_tokens = true}));
}

// However the text is cut into chunks, one space goes before it.
TEST(PrepareWithTokenizer, ASpaceGoesBeforeATextAndNotBeforeItsChunks) {
  const TempDir dir;
  BpeVocabulary vocabulary = small_vocabulary();
  vocabulary.pre_tokenizer.add_prefix_space = true;
  vocabulary.pre_tokenizer.splits.push_back({.pattern = SplitStep::Pattern::kText, .text = "<|"});
  fs::create_directories(dir / "tokens");
  replace_file(dir / "tokens/tokenizer.json", vocabulary.tokenizer_json());
  const std::string text = "the" + long_text();
  dir.write("text.txt", text);
  const Finished prepared = prepare(dir, "out");
  ASSERT_EQ(prepared.code, 0) << prepared.err;
  const std::vector<std::int64_t> found = all_tokens(dir / "out");
  EXPECT_EQ(found.front(), 258);  // " the"
  EXPECT_EQ(found, BpeTokenizer(vocabulary).encode(text, "text"));
}

TEST(TokenizerTrain, MakesAFolderThatPrepareTakes) {
  const TempDir dir;
  prepare_tiny(dir);
  dir.write("text.txt", long_text());
  const std::vector<std::string> command{"tokenizer", "train", "--vocab_size=300", "fox.txt",
                                         "text.txt"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), command.begin(), command.end());
    return run(dir, more);
  };
  const Finished trained = with({"--out=tokens", "--threads=3"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_NE(trained.out.find("tokens: 300 tokens from "), std::string::npos) << trained.out;
  const BpeVocabulary vocabulary = read_bpe_vocabulary(dir / "tokens");
  EXPECT_EQ(std::ssize(vocabulary.tokens), 300);
  EXPECT_EQ(vocabulary.end_of_text, 299);
  ASSERT_EQ(with({"--out=again", "--threads=1"}).code, 0);
  for (const std::string name : {"tokenizer.json", "vocab.json", "merges.txt"})
    EXPECT_EQ(read_file(dir / ("tokens/" + name)), read_file(dir / ("again/" + name)));
  const Finished prepared = prepare(dir, "out");
  ASSERT_EQ(prepared.code, 0) << prepared.err;
  // The text is cut at a character, so a word there may be two.
  EXPECT_TRUE(BpeTokenizer(vocabulary).decode(all_tokens(dir / "out")) == long_text());

  const Finished there = with({"--out=tokens"});
  EXPECT_EQ(there.code, 2);
  EXPECT_NE(there.err.find("replace it with --force=True"), std::string::npos) << there.err;
  EXPECT_EQ(with({"--out=tokens", "--force=True"}).code, 0);
  EXPECT_EQ(run(dir, {"tokenizer", "learn", "fox.txt", "--out=x"}).code, 2);
  EXPECT_EQ(run(dir, {"tokenizer", "train", "--out=x"}).code, 2);
  EXPECT_EQ(run(dir, {"tokenizer", "train", "fox.txt"}).code, 2);
  EXPECT_EQ(run(dir, {"tokenizer", "train", "none.txt", "--out=x"}).code, 2);
  EXPECT_FALSE(fs::exists(dir / "x"));
}

}  // namespace
}  // namespace gpt
