// Data and models as other projects leave them, through the program: trained on, sampled from.
#include <cmath>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/strings.h"
#include "gpt/text/tokenizer_files.h"
#include "gpt/text/utf8.h"

#include "support/child.h"
#include "support/environment.h"

namespace gpt {
namespace {

using nlohmann::json;
using testing::Environment;
using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;

std::string little_endian(const std::vector<std::uint32_t>& values, int bytes) {
  std::string text;
  for (const std::uint32_t value : values)
    for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

// Tokens of prepare_tiny's train.bin or val.bin.
std::vector<std::uint32_t> tokens_of(const TempDir& dir, const std::string& split) {
  const std::string bytes = read_file(dir / ("data/tiny/" + split + ".bin"));
  std::vector<std::uint32_t> tokens;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2)
    tokens.push_back(static_cast<unsigned char>(bytes[i]) +
                     (static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i + 1])) << 8));
  return tokens;
}

Finished train(const TempDir& dir, const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"train", std::string(GPT_SOURCE_DIR) + "/configs/ci_tiny.json",
                                     "--threads=1", "--log_interval=1", "--max_iters=6"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run(dir, arguments);
}

// Every loss of a run, as it wrote them.
std::vector<double> losses(const TempDir& dir, const std::string& out) {
  std::vector<double> all;
  std::istringstream lines(read_file(dir / out / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const json record = json::parse(line);
    for (const char* key : {"loss", "train_loss", "val_loss"})
      if (record.contains(key)) all.push_back(record.at(key));
  }
  return all;
}

Finished sample(const TempDir& dir, const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"sample", "--device=cpu", "--threads=1", "--num_samples=2",
                                     "--max_new_tokens=40"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return run(dir, arguments);
}

TEST(ForeignData, ShardsOfLlmCTrainAsOneFile) {
  const TempDir dir;
  prepare_tiny(dir);
  const std::string size = "--vocab_size=28";
  ASSERT_EQ(train(dir, {"--out_dir=whole", size}).code, 0);
  const auto write_shards = [&](const std::string& split, std::size_t shards) {
    const auto tokens = tokens_of(dir, split);
    for (std::size_t i = 0; i < shards; ++i) {
      const std::vector<std::uint32_t> some(
          tokens.begin() + static_cast<std::ptrdiff_t>(tokens.size() * i / shards),
          tokens.begin() + static_cast<std::ptrdiff_t>(tokens.size() * (i + 1) / shards));
      std::vector<std::uint32_t> header{20240520, 1, static_cast<std::uint32_t>(some.size())};
      header.resize(256);
      dir.write(concat("llmc/fox_", split, "_", i, ".bin"),
                little_endian(header, 4) + little_endian(some, 2));
    }
  };
  make_directories(dir / "llmc");
  write_shards("train", 5);
  write_shards("val", 2);
  const Finished sharded =
      train(dir, {"--out_dir=shards", size, "--train_files=llmc/fox_train_*.bin",
                  "--val_files=llmc/fox_val_0.bin,llmc/fox_val_1.bin", "--dataset=none"});
  ASSERT_EQ(sharded.code, 0) << sharded.err;
  EXPECT_EQ(losses(dir, "shards"), losses(dir, "whole"));
  EXPECT_GT(losses(dir, "shards").size(), 6u);
  const Finished absent =
      train(dir, {"--out_dir=x", "--train_files=llmc/*.npy", "--val_files=llmc/fox_val_0.bin"});
  EXPECT_EQ(absent.code, 2);
  EXPECT_NE(absent.err.find("no file is called 'llmc/*.npy'"), std::string::npos) << absent.err;
}

TEST(ForeignData, FourByteTokensTrainAsTwoByteOnes) {
  const TempDir dir;
  prepare_tiny(dir);
  const std::string size = "--vocab_size=70000";
  ASSERT_EQ(train(dir, {"--dataset=tiny", "--out_dir=narrow", size}).code, 0);
  make_directories(dir / "data/wide");
  json meta = json::parse(read_file(dir / "data/tiny/meta.json"));
  meta["dtype"] = "uint32";
  dir.write("data/wide/meta.json", meta.dump());
  for (const char* split : {"train", "val"})
    dir.write(concat("data/wide/", split, ".bin"), little_endian(tokens_of(dir, split), 4));
  const Finished wide = train(dir, {"--dataset=wide", "--out_dir=wide", size});
  ASSERT_EQ(wide.code, 0) << wide.err;
  EXPECT_EQ(losses(dir, "wide"), losses(dir, "narrow"));

  // Beyond what two bytes hold: a token of two that never change is learned at once.
  meta = {{"tokenizer", "bpe"}, {"vocab_size", 70000}, {"dtype", "uint32"}};
  dir.write("data/wide/meta.json", meta.dump());
  std::vector<std::uint32_t> high;
  for (int i = 0; i < 2000; ++i) high.push_back(i % 2 ? 69999 : 65536);
  for (const char* split : {"train", "val"})
    dir.write(concat("data/wide/", split, ".bin"), little_endian(high, 4));
  const Finished beyond =
      train(dir, {"--dataset=wide", "--out_dir=high", size, "--learning_rate=0.01",
                  "--max_iters=30", "--lr_decay_iters=30"});
  ASSERT_EQ(beyond.code, 0) << beyond.err;
  EXPECT_NEAR(losses(dir, "high").front(), std::log(70000.0), 0.3);
  EXPECT_LT(losses(dir, "high").back(), 3.0);
}

// data/<name> as nanoGPT's prepare.py leaves it, and what nanoGPT's sample.py does with a ckpt.pt
// that was trained on it: the text is that of the run, wherever the weights come from.
TEST(ForeignData, NanoGptsFolderIsTrainedOnAndItsCheckpointSpeaksItsCharacters) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(train(dir, {"--dataset=tiny", "--out_dir=json"}).code, 0);
  const std::string pickle =
      "import json, pickle; i = json.load(open('data/tiny/meta.json'))['itos']; "
      "pickle.dump({'vocab_size': len(i), 'itos': dict(enumerate(i)), "
      "'stoi': {c: n for n, c in enumerate(i)}}, open('data/tiny/meta.pkl', 'wb'))";
  ASSERT_EQ(
      std::system(
          concat("cd '", dir.path().string(), "' && /usr/bin/python3 -c \"", pickle, "\"").c_str()),
      0);
  fs::remove(dir / "data/tiny/meta.json");
  const Finished trained = train(dir, {"--dataset=tiny", "--out_dir=out"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_EQ(losses(dir, "out"), losses(dir, "json"));
  const std::string text = sample(dir, {"--out_dir=out", "--start=the "}).out;
  EXPECT_EQ(text.substr(0, 4), "the ");
  EXPECT_EQ(sample(dir, {"--out_dir=json", "--start=the "}).out, text);

  ASSERT_EQ(run(dir, {"export", "--out_dir=out", "--format=nanogpt", "--to=taken/ckpt.pt"}).code,
            0);
  for (const std::string from : {"--out_dir=taken", "--init_from=taken/ckpt.pt"}) {
    const Finished same = sample(dir, {from, "--start=the "});
    ASSERT_EQ(same.code, 0) << same.err;
    EXPECT_EQ(same.out, text) << from;
  }
  fs::rename(dir / "data", dir / "elsewhere");
  const Finished lost = sample(dir, {"--out_dir=taken"});
  EXPECT_EQ(lost.code, 2);
  EXPECT_NE(lost.err.find("too few for GPT-2's; say with --tokenizer=FILE or the dataset's folder"),
            std::string::npos)
      << lost.err;
  for (const std::string found : {"--data_dir=elsewhere", "--tokenizer=elsewhere/tiny",
                                  "--tokenizer=elsewhere/tiny/meta.pkl"})
    EXPECT_EQ(sample(dir, {"--out_dir=taken", "--start=the ", found}).out, text) << found;
  const Finished judged = run(dir, {"eval", "--out_dir=taken", "--data_dir=elsewhere", "fox.txt",
                                    "--device=cpu", "--json=True"});
  ASSERT_EQ(judged.code, 0) << judged.err;
  EXPECT_EQ(json::parse(judged.out).at("bytes"), 400 * 44 - 1);
}

// A run on GPT-2's tokens, as nanoGPT's openwebtext has them, goes out as a Hugging Face folder and
// comes in again by path, by name from the cache of the hub, and by name from a folder.
TEST(ForeignData, ModelsWithGpt2sTokensSpeakWhereverTheyComeFrom) {
  if (!fs::exists(gpt2_vocabulary_file()))
    GTEST_SKIP() << "no GPT-2 vocabulary: scripts/setup fetches it";
  const TempDir dir;
  make_directories(dir / "data/owt");
  std::vector<std::uint32_t> tokens;
  for (std::uint32_t i = 0; i < 4000; ++i) tokens.push_back(i * i % 50257);
  for (const char* split : {"train", "val"})
    dir.write(concat("data/owt/", split, ".bin"), little_endian(tokens, 2));
  const std::vector<std::string> shape{"--dataset=owt", "--vocab_size=50257", "--n_layer=12",
                                       "--n_embd=8",    "--n_head=2",         "--bias=True",
                                       "--gelu=tanh",   "--max_iters=1"};
  auto arguments = shape;
  arguments.push_back("--out_dir=out");
  ASSERT_EQ(train(dir, arguments).code, 0);
  const Finished spoken = sample(dir, {"--out_dir=out", "--start=Hello world"});
  ASSERT_EQ(spoken.code, 0) << spoken.err;
  EXPECT_EQ(spoken.out.substr(0, 11), "Hello world");
  EXPECT_NE(spoken.err.find("prompt: 2 token(s)"), std::string::npos) << spoken.err;

  const std::string hub = "hub/models--openai-community--gpt2/snapshots/abc";
  ASSERT_EQ(run(dir, {"export", "--out_dir=out", "--format=hf", "--to=" + hub}).code, 0);
  const Environment cache("HF_HUB_CACHE", dir / "hub");
  ASSERT_EQ(run(dir, {"import", "gpt2", "--out_dir=in"}).code, 0);
  ASSERT_EQ(run(dir, {"import", "gpt2", "--pretrained_dir=" + hub, "--out_dir=in2"}).code, 0);
  for (const std::string from : {"--init_from=gpt2", "--out_dir=in", "--out_dir=in2"})
    EXPECT_EQ(sample(dir, {from, "--start=Hello world"}).out, spoken.out) << from;
  EXPECT_EQ(sample(dir, {"--init_from=./" + hub, "--start=Hello world"}).out, spoken.out);

  for (const std::string& from : {std::string("gpt2"), "out/../" + hub}) {
    const Finished tuned = train(dir, {"--dataset=owt", "--init_from=" + from, "--max_iters=0",
                                       "--out_dir=from-" + from.substr(0, 3)});
    ASSERT_EQ(tuned.code, 0) << tuned.err;
  }
  EXPECT_EQ(losses(dir, "from-gpt"), losses(dir, "from-out"));
  const Finished wrong = run(dir, {"import", "gpt2-xl", "--pretrained_dir=" + hub, "--out_dir=y"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.err.find("has 12 layers, gpt2-xl has 48"), std::string::npos) << wrong.err;
}

// A folder whose tokenizer is not GPT-2's brings it along.
TEST(ForeignData, AFolderSpeaksWithItsOwnTokenizer) {
  const TempDir dir;
  prepare_tiny(dir);
  dir.write("merges.txt", "#version: 0.2\nt h\nth e\n");
  ASSERT_EQ(run(dir, {"prepare", "--tokenizer=merges.txt", "--out=data/bpe", "fox.txt"}).code, 0);
  ASSERT_EQ(train(dir, {"--dataset=bpe", "--out_dir=out", "--bias=True"}).code, 0);
  const Finished spoken = sample(dir, {"--out_dir=out", "--start=the "});
  ASSERT_EQ(spoken.code, 0) << spoken.err;
  // It has learned too little to write UTF-8; what is shown is UTF-8 all the same.
  EXPECT_NE(spoken.out.find("\uFFFD"), std::string::npos) << spoken.out;
  EXPECT_EQ(to_utf8(from_utf8(spoken.out)), spoken.out);
  ASSERT_EQ(run(dir, {"export", "--out_dir=out", "--format=hf", "--to=hf"}).code, 0);
  ASSERT_TRUE(fs::exists(dir / "hf/merges.txt"));
  fs::remove(dir / "merges.txt");
  const Finished direct = sample(dir, {"--init_from=./hf", "--start=the "});
  ASSERT_EQ(direct.code, 0) << direct.err;
  EXPECT_EQ(direct.out, spoken.out);
  ASSERT_EQ(run(dir, {"import", "hf", "--out_dir=in"}).code, 0);
  EXPECT_EQ(sample(dir, {"--out_dir=in", "--start=the "}).out, spoken.out);
}

}  // namespace
}  // namespace gpt
