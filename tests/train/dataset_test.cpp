#include "gpt/train/dataset.h"

#include <gtest/gtest.h>

#include "support/error_text.h"
#include "train/tiny_run.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;
using testing::tiny_config;

constexpr const char* kMeta =
    R"({"format": "gpttrain-meta", "version": 1, "tokenizer": "char", "vocab_size": 3, "itos": ["a", "b", "c"]})";

TEST(Dataset, WithoutMetaTheVocabularyIsGpt2s) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  EXPECT_EQ(open_dataset(config).vocab_size, 61);
  config.model.vocab_size.value.reset();
  EXPECT_EQ(open_dataset(config).vocab_size, 50304);
  EXPECT_EQ(open_dataset(config).vocabulary_json, "");
}

TEST(Dataset, MetaGivesTheVocabularyAndMustFit) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  dir.write("tokens/meta.json", kMeta);
  testing::write_tokens(dir / "tokens/train.bin", std::vector<std::uint16_t>(100, 2));
  testing::write_tokens(dir / "tokens/val.bin", std::vector<std::uint16_t>(100, 1));
  config.model.vocab_size.value.reset();
  EXPECT_EQ(open_dataset(config).vocab_size, 3);
  EXPECT_EQ(open_dataset(config).vocabulary_json, kMeta);
  config.model.vocab_size.value = 64;  // padding is fine
  EXPECT_EQ(open_dataset(config).vocab_size, 64);
  config.model.vocab_size.value = 2;
  EXPECT_EQ(error_text([&] { open_dataset(config); }),
            "vocab_size: expected at least 3, the vocabulary of " +
                (dir / "tokens/meta.json").string() + ", got 2");
}

TEST(Dataset, AMissingFolderSaysHowToMakeOne) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.data.dataset = "nothing";
  const std::string text = error_text([&] { open_dataset(config); });
  EXPECT_EQ(text.rfind((dir / "nothing").string() +
                           ": no such dataset folder; make it with `gpttrain prepare",
                       0),
            0u)
      << text;
}

}  // namespace
}  // namespace gpt
