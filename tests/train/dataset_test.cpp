#include "gpt/train/dataset.h"

#include <gtest/gtest.h>

#include "gpt/base/checksum.h"

#include "support/error_text.h"
#include "support/tiny_run.h"

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

TEST(Dataset, MetaMayCountTheBytesOfAToken) {
  Dataset dataset = open_dataset(tiny_config(TempDir()));
  for (const auto& [json, bytes] : std::vector<std::pair<std::string, double>>{
           {R"({"bytes": 900, "train_tokens": 250, "val_tokens": 50})", 3},
           {R"({"bytes": 900})", 0},
           {R"({"bytes": 0, "train_tokens": 1, "val_tokens": 1})", 0},
           {R"({"bytes": "x", "train_tokens": [], "val_tokens": null})", 0},
           {"[1]", 0},
           {"{", 0},
           {"", 0}}) {
    dataset.text_json = json;
    EXPECT_EQ(bytes_per_token(dataset).value_or(0), bytes) << json;
  }
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
  // The user's word counts; a token beyond it is an error all the same.
  config.model.vocab_size.value = 2;
  EXPECT_NE(error_text([&] { open_dataset(config); }).find("vocab_size is 2"), std::string::npos);
  testing::write_tokens(dir / "tokens/train.bin", std::vector<std::uint16_t>(100, 1));
  EXPECT_EQ(open_dataset(config).vocab_size, 2);
}

TEST(Dataset, AVocabSizeOfTheUsersNeedsNoMeta) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  dir.write("tokens/meta.pkl", "c__main__\nTokenizer\n.");
  testing::write_tokens(dir / "tokens/train.bin", std::vector<std::uint16_t>(100, 2));
  testing::write_tokens(dir / "tokens/val.bin", std::vector<std::uint16_t>(100, 1));
  config.model.vocab_size.value.reset();
  EXPECT_NE(error_text([&] { open_dataset(config); }).find("--vocab_size=N"), std::string::npos);
  config.model.vocab_size.value = 64;
  EXPECT_EQ(open_dataset(config).vocab_size, 64);
  EXPECT_NE(open_dataset(config).vocabulary_json.find("\"unknown\""), std::string::npos);
}

// 100 and 60 tokens, and a meta.json that says `train` and `val`.
TrainConfig with_meta(const TempDir& dir, std::int64_t train, std::int64_t val,
                      const std::string& more = "") {
  TrainConfig config = tiny_config(dir);
  config.model.vocab_size.value.reset();
  const std::string meta = kMeta;
  dir.write("tokens/meta.json", meta.substr(0, meta.size() - 1) +
                                    ", \"train_tokens\": " + std::to_string(train) +
                                    ", \"val_tokens\": " + std::to_string(val) + more + "}");
  testing::write_tokens(dir / "tokens/train.bin", std::vector<std::uint16_t>(100, 2));
  testing::write_tokens(dir / "tokens/val.bin", std::vector<std::uint16_t>(60, 1));
  return config;
}

TEST(Dataset, SizesAreThoseOfMeta) {
  const TempDir dir;
  EXPECT_EQ(open_dataset(with_meta(dir, 100, 60)).train.front().tokens.size(), 100);
  EXPECT_EQ(open_dataset(with_meta(dir, 0, 0)).train.front().tokens.size(), 100);  // an old one
  const std::string origin = (dir / "tokens/meta.json").string();
  EXPECT_EQ(error_text([&] { open_dataset(with_meta(dir, 200, 60)); })
                .find((dir / "tokens/train.bin").string() + ": has 100 tokens, but " + origin +
                      " says 200; it is a copy that broke off"),
            0u);
  EXPECT_EQ(
      error_text([&] {
        open_dataset(with_meta(dir, 100, 59));
      }).find((dir / "tokens/val.bin").string() + ": has 60 tokens, but " + origin + " says 59; "),
      0u);
  // The same files by name; and others, of which that meta.json says nothing.
  TrainConfig config = with_meta(dir, 200, 60);
  config.data.train_files = (dir / "tokens/train.bin").string();
  config.data.val_files = (dir / "tokens/val.bin").string();
  EXPECT_NE(error_text([&] { open_dataset(config); }).find("says 200"), std::string::npos);
  std::filesystem::rename(dir / "tokens/train.bin", dir / "tokens/shard.bin");
  config.data.train_files = (dir / "tokens/shard.bin").string();
  EXPECT_EQ(open_dataset(config).train.front().tokens.size(), 100);
}

TEST(Dataset, ChecksumsAreThoseOfMetaWhenAsked) {
  const TempDir dir;
  TrainConfig config = with_meta(dir, 100, 60);
  config.data.verify_data = true;
  EXPECT_EQ(open_dataset(config).train.front().tokens.size(), 100);  // it holds none: a warning
  const std::string train = hex32(crc32c_of_file(dir / "tokens/train.bin"));
  const std::string val = hex32(crc32c_of_file(dir / "tokens/val.bin"));
  const auto sums = [](const std::string& t, const std::string& v) {
    return ", \"train_crc32c\": \"" + t + "\", \"val_crc32c\": \"" + v + "\"";
  };
  with_meta(dir, 100, 60, sums(train, val));
  EXPECT_EQ(open_dataset(config).val.size(), 60);
  with_meta(dir, 100, 60, sums(train, train));
  EXPECT_EQ(error_text([&] { open_dataset(config); })
                .find((dir / "tokens/val.bin").string() + ": its checksum is " + val + ", but " +
                      (dir / "tokens/meta.json").string() + " says " + train),
            0u);
  config.data.verify_data = false;
  EXPECT_EQ(open_dataset(config).val.size(), 60);
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

TEST(Dataset, FilesCanBeListedByGlob) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  std::filesystem::create_directories(dir / "shards");
  for (const int shard : {1, 0, 2})
    testing::write_tokens(dir / ("shards/train_" + std::to_string(shard) + ".bin"),
                          std::vector<std::uint16_t>(10, static_cast<std::uint16_t>(shard)));
  testing::write_tokens(dir / "shards/val_0.bin", std::vector<std::uint16_t>(40, 7));
  config.data.train_files = (dir / "shards/train_*.bin").string();
  config.data.val_files = (dir / "shards/val_0.bin").string();
  config.model.vocab_size.value.reset();
  const Dataset dataset = open_dataset(config);
  EXPECT_EQ(dataset.train.front().tokens.shards(), 3u);
  ASSERT_EQ(dataset.train.front().tokens.size(), 30);
  EXPECT_EQ(dataset.val.size(), 40);
  EXPECT_EQ(dataset.vocab_size, 50304);
  std::vector<std::int64_t> tokens(30);
  dataset.train.front().tokens.copy(0, 30, tokens.data());
  for (std::size_t i = 0; i < 30; ++i) EXPECT_EQ(tokens[i], static_cast<std::int64_t>(i / 10));
  config.data.train_files += "," + config.data.val_files;
  EXPECT_EQ(open_dataset(config).train.front().tokens.size(), 70);
  dir.write("shards/meta.json", kMeta);  // next to the files
  EXPECT_EQ(error_text([&] { open_dataset(config); }).find((dir / "shards/val_0.bin").string()),
            0u);
  config.data.val_files = "";
  EXPECT_EQ(error_text([&] { open_dataset(config); }),
            "val_files: is missing; train_files and val_files go together, except with "
            "--eval_interval=0");
  EXPECT_EQ(missing_data(config), "val_files");
  config.data.val_files = (dir / "none_*").string();
  EXPECT_EQ(error_text([&] { open_dataset(config); }),
            "val_files: no file is called '" + (dir / "none_*").string() +
                "'; expected a path, or a pattern that fits some");
}

// Commas separate names, brackets and stars make patterns, and all of them are in names, too.
TEST(Dataset, AFileIsFoundWhateverCharactersItsNameHas) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.model.vocab_size.value.reset();
  const std::vector<std::string> names = {"a,b/train.bin", "[v1] data/train.bin", "star*.bin",
                                          "a,b,c.bin", "plain.bin"};
  std::string all;
  for (const std::string& name : names) {
    std::filesystem::create_directories((dir / name).parent_path());
    testing::write_tokens(dir / name, std::vector<std::uint16_t>(40, 7));
    config.data.train_files = config.data.val_files = (dir / name).string();
    EXPECT_EQ(missing_data(config), "");
    EXPECT_EQ(open_dataset(config).train.front().tokens.path(), dir / name);
    all += (all.empty() ? "" : ",") + (dir / name).string();
  }
  config.data.train_files = all;
  EXPECT_EQ(open_dataset(config).train.front().tokens.shards(), names.size());
  config.data.train_files = (dir / "a,b/*.bin").string() + "," + (dir / "plain.bin").string();
  EXPECT_EQ(open_dataset(config).train.front().tokens.shards(), 2u);
  config.data.train_files = (dir / "plain.bin").string() + "," + (dir / "no,ne.bin").string();
  EXPECT_EQ(error_text([&] { open_dataset(config); }),
            "train_files: no file is called '" + (dir / "no,ne.bin").string() +
                "'; expected a path, or a pattern that fits some");
  EXPECT_EQ(missing_data(config), (dir / "no,ne.bin").string());
}

TEST(Dataset, WithoutValBinThereAreNoEvaluations) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  const std::string val = (dir / "tokens/val.bin").string();
  std::filesystem::remove(val);
  EXPECT_EQ(error_text([&] { open_dataset(config); }),
            val +
                ": is not there, so nothing can be evaluated on it; train without with "
                "--eval_interval=0, or make the dataset again with gpttrain prepare "
                "--val_fraction=0.1 --force");
  EXPECT_EQ(missing_data(config), val);
  config.io.eval_interval = 0;
  EXPECT_EQ(open_dataset(config).val.path(), dir / "tokens/train.bin");
  EXPECT_EQ(missing_data(config), "");
  config.io.eval_only = true;
  EXPECT_EQ(error_text([&] { open_dataset(config); }).find(val), 0u);
}

class Mixture : public ::testing::Test {
 protected:
  Mixture() : config_(tiny_config(dir_)) {
    dir_.write_tokens("web/1.bin", testing::made_up_tokens(0, 100));
    dir_.write_tokens("web/2.bin", testing::made_up_tokens(100, 150));
    dir_.write_tokens("code/1.bin", testing::made_up_tokens(0, 80));
    config_.data.val_files = (dir_ / "tokens/val.bin").string();
  }
  std::string at(const std::string& name) const { return (dir_ / name).string(); }
  Dataset open(const std::string& train) {
    config_.data.train_files = train;
    return open_dataset(config_);
  }
  std::string refusal(const std::string& train) {
    return error_text([&] { open(train); });
  }

  TempDir dir_;
  TrainConfig config_;
};

TEST_F(Mixture, SharesAddUpToOne) {
  const Dataset dataset = open("0.6:" + at("web/*.bin") + ",0.2:" + at("code/1.bin"));
  ASSERT_EQ(dataset.train.size(), 2u);
  EXPECT_EQ(dataset.train[0].name, "web");
  EXPECT_EQ(dataset.train[0].tokens.size(), 150);
  EXPECT_DOUBLE_EQ(dataset.train[0].share, 0.75);
  EXPECT_EQ(dataset.train[1].name, "code");
  EXPECT_DOUBLE_EQ(dataset.train[1].share, 0.25);
  EXPECT_EQ(window_name(dataset, {0, 103}), at("web/2.bin") + ":3");
  EXPECT_EQ(source_tokens(dataset), (std::vector<std::int64_t>{150, 80}));
}

TEST_F(Mixture, WithoutWeightsAllIsOne) {
  const Dataset dataset = open(at("web/*.bin") + "," + at("code/1.bin"));
  ASSERT_EQ(dataset.train.size(), 1u);
  EXPECT_EQ(dataset.train[0].tokens.size(), 230);
}

// Sources that would have one name have their patterns.
TEST_F(Mixture, NamesTellSourcesApart) {
  const Dataset dataset = open("1:" + at("web/1.bin") + ",1:" + at("web/2.bin"));
  EXPECT_EQ(dataset.train[0].name, at("web/1.bin"));
  EXPECT_EQ(dataset.train[1].name, at("web/2.bin"));
}

TEST_F(Mixture, ANameOfAFileIsThatFile) {
  dir_.write_tokens("0.5:a,b.bin", testing::made_up_tokens(0, 60));
  const std::string name = at("0.5:a,b.bin");
  EXPECT_EQ(open(name).train[0].tokens.size(), 60);
  const Dataset mixed = open("2:" + name + ",6:" + at("code/1.bin"));
  EXPECT_EQ(mixed.train[0].tokens.size(), 60);
  EXPECT_DOUBLE_EQ(mixed.train[0].share, 0.25);
  EXPECT_EQ(open(name + "," + at("web/1.bin")).train[0].tokens.size(), 160);
}

TEST_F(Mixture, WhatIsWrongIsSaid) {
  for (const char* weight : {"0", "-1", "nan", "inf", "1e99", "half", "0,5", "", " 1", "0x1"})
    EXPECT_NE(refusal(std::string(weight) + ":" + at("web/1.bin"))
                  .find("is no weight; expected a number above 0"),
              std::string::npos)
        << weight << ": " << refusal(std::string(weight) + ":" + at("web/1.bin"));
  EXPECT_NE(refusal("1:" + at("web/1.bin") + "," + at("code/1.bin"))
                .find("code/1.bin has no weight, but others have; expected one before each"),
            std::string::npos);
  EXPECT_NE(refusal("1:" + at("web/1.bin") + ",2:" + at("no/*.bin"))
                .find("no file is called '" + at("no/*.bin") + "'"),
            std::string::npos);
  EXPECT_EQ(missing_data(config_), at("no/*.bin"));
  config_.data.train_files = "0:" + at("web/1.bin");
  EXPECT_EQ(missing_data(config_), "");
  config_.data.val_files = "1:" + at("tokens/val.bin");
  EXPECT_NE(refusal(at("web/1.bin")).find("val_files: takes no weights"), std::string::npos);
}

TEST_F(Mixture, ShortSourcesAndOtherVocabulariesAreRefused) {
  dir_.write_tokens("short/1.bin", testing::made_up_tokens(0, 16));
  EXPECT_NE(refusal("1:" + at("web/1.bin") + ",1:" + at("short/1.bin")).find("has 16 tokens"),
            std::string::npos);
  dir_.write("code/meta.json", kMeta);
  testing::write_tokens(dir_ / "code/1.bin", std::vector<std::uint16_t>(80, 1));
  EXPECT_NE(refusal("1:" + at("web/1.bin") + ",1:" + at("code/1.bin"))
                .find("is not that of " + at("web/1.bin")),
            std::string::npos);
}

// Each source is verified against the meta.json next to it.
TEST_F(Mixture, SourcesAreVerified) {
  config_.model.vocab_size.value = 3;
  for (const char* name : {"one", "two"}) {
    dir_.write_tokens(std::string(name) + "/train.bin", std::vector<std::uint16_t>(100, 2));
    dir_.write_tokens(std::string(name) + "/val.bin", std::vector<std::uint16_t>(60, 2));
    const std::string meta = kMeta;
    dir_.write(std::string(name) + "/meta.json",
               meta.substr(0, meta.size() - 1) + R"(, "train_tokens": 100, "val_tokens": 60,
               "bytes": 480})");
  }
  const std::string both = "1:" + at("one/train.bin") + ",1:" + at("two/train.bin");
  config_.data.val_files = at("two/val.bin");
  EXPECT_EQ(bytes_per_token(open(both)), 3);
  dir_.write_tokens("two/train.bin", std::vector<std::uint16_t>(99, 2));
  EXPECT_NE(refusal(both).find("two/train.bin: has 99 tokens"), std::string::npos);
}

TEST(Dataset, TheVocabularySaysWhatEndsADocument) {
  const TempDir dir;
  TrainConfig config = tiny_config(dir);
  config.data.document_mask = true;
  config.model.vocab_size.value.reset();
  EXPECT_EQ(open_dataset(config).document_end, 50256);  // no meta.json: GPT-2's
  config.model.vocab_size.value = 61;
  const auto refusal = [&] { return error_text([&] { open_dataset(config); }); };
  EXPECT_NE(refusal().find("has no <|endoftext|>"), std::string::npos);
  config.model.vocab_size.value.reset();
  dir.write("tokens/meta.json", R"({"tokenizer": "gpt2", "vocab_size": 50257})");
  EXPECT_EQ(open_dataset(config).document_end, 50256);
  dir.write("tokens/meta.json", kMeta);
  testing::write_tokens(dir / "tokens/train.bin", std::vector<std::uint16_t>(100, 2));
  testing::write_tokens(dir / "tokens/val.bin", std::vector<std::uint16_t>(100, 1));
  EXPECT_NE(refusal().find("has no <|endoftext|>"), std::string::npos);
  config.data.document_mask = false;
  EXPECT_FALSE(open_dataset(config).document_end);
}

}  // namespace
}  // namespace gpt
