#include "gpt/text/tokenizer_files.h"

#include <cstdlib>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/text/bpe_vocabulary.h"

#include "support/environment.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::Environment;
using testing::error_text;
using testing::TempDir;

std::string open_error(const std::string& name) {
  return error_text([&] { open_tokenizer(name); });
}

std::string meta_error(const std::string& json) {
  return error_text([&] { tokenizer_of_meta(json, "d/meta.json"); });
}

TEST(TokenizerFiles, TheCacheFolderIsThatOfSetup) {
  const Environment cache("GPTTRAIN_CACHE", "/c");
  EXPECT_EQ(gpt2_vocabulary_file(), "/c/gpt2.tiktoken");
  const Environment no_cache("GPTTRAIN_CACHE", "");
  const Environment xdg("XDG_CACHE_HOME", "/x");
  EXPECT_EQ(gpt2_vocabulary_file(), "/x/gpttrain/gpt2.tiktoken");
  const Environment no_xdg("XDG_CACHE_HOME", "");
  const Environment home("HOME", "/h");
  EXPECT_EQ(gpt2_vocabulary_file(), "/h/.cache/gpttrain/gpt2.tiktoken");
}

// No cache is looked for in the folder that the program is started in.
TEST(TokenizerFiles, WithoutACacheFolderItSaysWhatToSet) {
  const TempDir dir;
  fs::create_directories(dir / ".cache/gpttrain");
  replace_file(dir / ".cache/gpttrain/gpt2.tiktoken", "a b\n");
  const fs::path before = fs::current_path();
  fs::current_path(dir.path());
  const Environment cache("GPTTRAIN_CACHE", ""), xdg("XDG_CACHE_HOME", "x"), home("HOME", "");
  const std::string error = open_error("gpt2");
  const fs::path file = gpt2_vocabulary_file();
  fs::current_path(before);
  EXPECT_EQ(file, "");
  EXPECT_EQ(error.find("tokenizer gpt2: no cache folder is known, as none of GPTTRAIN_CACHE, "
                       "XDG_CACHE_HOME and HOME is set to an absolute path; set one of them"),
            0u)
      << error;
}

TEST(TokenizerFiles, ErrorsSayWhatToDo) {
  const TempDir dir;
  const Environment cache("GPTTRAIN_CACHE", dir.path());
  const std::string file = (dir / "gpt2.tiktoken").string();
  const std::string advice =
      " or give a file: --tokenizer=FILE (vocab.bpe, tokenizer.json or *.tiktoken)";
  EXPECT_EQ(open_error("gpt2"), "tokenizer gpt2: " + file +
                                    " is not there; run scripts/setup of gpttrain's sources, which "
                                    "fetches it," +
                                    advice);
  replace_file(file, "a b\n");
  EXPECT_EQ(open_error("gpt2"), "tokenizer gpt2: " + file +
                                    " is not GPT-2's vocabulary; run scripts/setup, which replaces "
                                    "it," +
                                    advice);
  EXPECT_EQ(open_error("gtp2"),
            "tokenizer gtp2: no such file; expected gpt2 or a vocabulary (vocab.bpe, "
            "tokenizer.json, *.tiktoken or a folder that holds one)");
}

TEST(TokenizerFiles, OpensAFile) {
  const TempDir dir;
  replace_file(dir / "merges.txt", "t h\nth e\n");
  const auto tokenizer = open_tokenizer(dir / "merges.txt");
  EXPECT_EQ(tokenizer->name(), "bpe");
  EXPECT_EQ(tokenizer->vocab_size(), 259);
  EXPECT_EQ(tokenizer->end_of_text(), 258);
  EXPECT_EQ(tokenizer->encode("the", "text"), std::vector<std::int64_t>{257});
}

TEST(TokenizerFiles, AVocabularyOfTheCacheIsGpt2s) {
  if (!fs::exists(gpt2_vocabulary_file()))
    GTEST_SKIP() << gpt2_vocabulary_file() << " is not there; scripts/setup fetches it";
  const auto tokenizer = open_tokenizer("gpt2");
  EXPECT_EQ(tokenizer->name(), "gpt2");
  EXPECT_EQ(tokenizer->vocab_size(), 50257);
  const auto same =
      tokenizer_of_meta(R"({"tokenizer": "gpt2", "vocab_size": 50257})", "d/meta.json");
  EXPECT_EQ(same->name(), "gpt2");
  EXPECT_EQ(meta_error(R"({"tokenizer": "gpt2", "vocab_size": 50304})"),
            "d/meta.json: vocab_size: expected 50257 as the tokenizer has, found 50304");
}

TEST(TokenizerFiles, MetaNamesTheTokenizer) {
  const auto chars = tokenizer_of_meta(
      R"({"format": "gpttrain-meta", "version": 1, "tokenizer": "char", "vocab_size": 2,
          "itos": ["a", "b"]})",
      "d/meta.json");
  EXPECT_EQ(chars->name(), "char");
  EXPECT_EQ(chars->encode("ba", "text"), (std::vector<std::int64_t>{1, 0}));
  const TempDir dir;
  replace_file(dir / "merges.txt", "t h\nth e\n");
  const auto bpe =
      tokenizer_of_meta(R"({"tokenizer": "bpe", "vocab_size": 259, "tokenizer_file": ")" +
                            (dir / "merges.txt").string() + "\"}",
                        "d/meta.json");
  EXPECT_EQ(bpe->encode("the", "text"), std::vector<std::int64_t>{257});
  EXPECT_EQ(meta_error("{"),
            "d/meta.json:1: not valid JSON (byte 1); write it again with gpttrain prepare");
  EXPECT_EQ(meta_error("{}"), "d/meta.json: tokenizer: expected a text, found nothing");
  EXPECT_EQ(meta_error(R"({"tokenizer": "wordpiece"})"),
            "d/meta.json: tokenizer: expected \"char\", \"gpt2\" or \"bpe\", found \"wordpiece\"");
  EXPECT_EQ(meta_error(R"({"tokenizer": "bpe"})"),
            "d/meta.json: tokenizer_file: expected a text, found nothing");
}

// Reading a pipe without a writer would never end, and a device would fill the memory.
TEST(TokenizerFiles, MetaMayNameOnlyFilesAndFolders) {
  const TempDir dir;
  ASSERT_EQ(mkfifo((dir / "pipe").c_str(), 0600), 0);
  const auto error = [&](const std::string& file) {
    return meta_error(R"({"tokenizer": "bpe", "vocab_size": 259, "tokenizer_file": ")" + file +
                      "\"}");
  };
  EXPECT_EQ(error(dir / "pipe"), "d/meta.json: tokenizer_file: \"" + (dir / "pipe").string() +
                                     "\" is neither a file nor a folder; give the vocabulary with "
                                     "--tokenizer=FILE");
  EXPECT_NE(error("/dev/zero").find("is neither a file nor a folder"), std::string::npos);
  EXPECT_NE(error(dir / "none").find("none\" is not there; give"), std::string::npos);
}

TEST(TokenizerFiles, AVocabularyHasItsSize) {
  EXPECT_EQ(error_text([] { open_tokenizer("/dev/zero"); }),
            "/dev/zero: is too large; expected a vocabulary of at most 64.00 MiB");
}

}  // namespace
}  // namespace gpt
