// Runs that begin with weights from elsewhere: from another run, from files that are not what they
// are called, and from weights that are not numbers.
#include <algorithm>
#include <cstring>
#include <limits>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/strings.h"
#include "gpt/checkpoint/run_state.h"

#include "support/child.h"

namespace gpt {
namespace {

using nlohmann::json;
using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;

std::vector<std::string> train(const std::vector<std::string>& more) {
  std::vector<std::string> arguments{
      "train",          "--device=cpu",      "--threads=1",    "--dataset=tiny",
      "--batch_size=4", "--block_size=32",   "--n_layer=2",    "--n_head=2",
      "--n_embd=32",    "--eval_interval=9", "--eval_iters=1", "--warmup_iters=0",
      "--max_iters=2",  "--gelu=tanh",       "--bias=True",    "--gradient_accumulation_steps=1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

double first_loss(const fs::path& metrics) {
  std::istringstream lines(read_file(metrics));
  for (std::string line; std::getline(lines, line);) {
    const auto record = json::parse(line);
    if (record.at("event") == "train" && record.at("iter") == 0) return record.at("loss");
  }
  return -1;
}

void expect_error(const TempDir& dir, const std::vector<std::string>& arguments,
                  const std::string& message) {
  const Finished refused = run(dir, arguments);
  EXPECT_EQ(refused.code, 2) << message << refused.out << refused.err;
  EXPECT_NE(refused.err.find(message), std::string::npos) << refused.err;
  EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
}

// The weights of a checkpoint as llm.c writes them.
std::string llmc_bytes(const fs::path& weights, std::int32_t rows) {
  const SafetensorsFile file(weights);
  const auto& wte = file.find("transformer.wte.weight")->shape;
  const auto& wpe = file.find("transformer.wpe.weight")->shape;
  std::vector<std::int32_t> header(256, 0);
  const std::int32_t begin[] = {
      20240326, 3, static_cast<std::int32_t>(wpe[0]), static_cast<std::int32_t>(wte[0]),
      2,        2, static_cast<std::int32_t>(wte[1]), rows};
  std::copy(std::begin(begin), std::end(begin), header.begin());
  std::string out(reinterpret_cast<const char*>(header.data()), 1024);
  const auto add = [&](const std::string& name) {
    const auto bytes = file.find(name)->bytes;
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  add("transformer.wte.weight");
  out.resize(1024 + static_cast<std::size_t>(rows * wte[1]) * sizeof(float), '\0');
  add("transformer.wpe.weight");
  for (const char* part :
       {"ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight",
        "attn.c_proj.bias", "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias",
        "mlp.c_proj.weight", "mlp.c_proj.bias"})
    for (const char* layer : {"0.", "1."}) add(concat("transformer.h.", layer, part));
  add("transformer.ln_f.weight");
  add("transformer.ln_f.bias");
  return out;
}

TEST(OwnWeights, ANewRunBeginsWithThoseOfAnother) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, train({"--out_dir=run", "--max_iters=20", "--learning_rate=1e-2"})).code, 0);
  const fs::path step = dir / "run/step_00000021";
  // What the next iteration of that run would begin with, on the first batch of a new one.
  ASSERT_EQ(run(dir, train({"--out_dir=t0", "--init_from=run"})).code, 0);
  const double expected = first_loss(dir / "t0/metrics.jsonl");
  ASSERT_EQ(run(dir, train({"--out_dir=scratch"})).code, 0);
  EXPECT_LT(expected, first_loss(dir / "scratch/metrics.jsonl") - 0.3);
  dir.write("gpt2_tiny.bin", llmc_bytes(step / kModelFile, 64));
  fs::copy_file(step / kModelFile, dir / "alone.safetensors");
  ASSERT_EQ(run(dir, {"export", "--out_dir=run", "--format=hf", "--to=hf"}).code, 0);
  int count = 0;
  for (const std::string source : {"run/step_00000021", "run/step_00000021/model.safetensors",
                                   "gpt2_tiny.bin", "alone.safetensors", "hf"}) {
    const std::string out = concat("t", ++count);
    const Finished tuned = run(dir, train({"--out_dir=" + out, "--init_from=" + source}));
    ASSERT_EQ(tuned.code, 0) << source << tuned.err;
    EXPECT_EQ(first_loss(dir / out / "metrics.jsonl"), expected) << source;
  }
  // Sampling knows the vocabulary; nothing but the run has it.
  const Finished sampled = run(dir, {"sample", "--device=cpu", "--init_from=run", "--start=the",
                                     "--num_samples=1", "--max_new_tokens=5"});
  EXPECT_EQ(sampled.code, 0) << sampled.err;
  expect_error(dir, {"import", "run", "--out_dir=in"}, "run: is of a run of this program");

  dir.write("other.txt",
            "ABCDEFGH abcdefgh ABCDEFGH abcdefgh ABCDEFGH abcdefgh ABCDEFGH abcdefgh "
            "ABCDEFGH abcdefgh ABCDEFGH abcdefgh ABCDEFGH abcdefgh ABCDEFGH abcdefgh");
  ASSERT_EQ(run(dir, {"prepare", "other.txt", "--tokenizer=char", "--out=data/other",
                      "--val_fraction=0.4"})
                .code,
            0);
  const Finished other = run(dir, train({"--out_dir=t9", "--init_from=run", "--dataset=other"}));
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.err.find("dataset=other: its vocabulary is not the one that run/step_00000021 "
                           "was trained with, that of dataset=tiny"),
            std::string::npos)
      << other.err;
}

TEST(OwnWeights, ThatAreNoNumbersAreNamedByEveryCommand) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, train({"--out_dir=out", "--max_iters=1"})).code, 0);
  const CheckpointInfo newest = CheckpointStore(dir / "out", 9).newest_good().value();
  const SafetensorsFile model(newest.path / kModelFile), state(newest.path / kOptimizerFile);
  std::vector<CheckpointPart> parts{{kModelFile, model.tensors()},
                                    {kOptimizerFile, state.tensors()}};
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::byte> changed;
  for (TensorView& view : parts[0].tensors) {
    if (view.name != "transformer.h.1.mlp.c_fc.weight") continue;
    changed.assign(view.bytes.begin(), view.bytes.end());
    std::memcpy(changed.data() + 8, &nan, sizeof nan);
    view.bytes = changed;
  }
  Manifest manifest = newest.manifest;
  ++manifest.step;
  CheckpointStore(dir / "out", 9).save(manifest, parts);
  const std::string message = "transformer.h.1.mlp.c_fc.weight: 1 of 4096 value(s) are NaN";
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"sample", "--device=cpu"},
           {"eval", "--device=cpu", "fox.txt"},
           {"export", "--out_dir=out"},
           train({"--out_dir=out", "--init_from=resume", "--max_iters=9"}),
           train({"--out_dir=new", "--init_from=out"})}) {
    const Finished refused = run(dir, arguments);
    EXPECT_EQ(refused.code, 2) << arguments[0];
    EXPECT_NE(refused.err.find(message), std::string::npos) << refused.err;
  }
}

TEST(Resume, SaysThatANewerCheckpointOfNanogptIsNotTaken) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, train({"--out_dir=out"})).code, 0);
  ASSERT_EQ(run(dir, {"export", "--out_dir=out", "--format=nanogpt"}).code, 0);
  // An export of this very checkpoint is nothing new.
  const Finished same = run(dir, train({"--out_dir=out", "--init_from=resume", "--max_iters=9"}));
  ASSERT_EQ(same.code, 0) << same.err;
  EXPECT_EQ(same.err.find("ckpt.pt"), std::string::npos) << same.err;
  fs::last_write_time(dir / "out/ckpt.pt", fs::file_time_type::clock::now());
  const auto expect_named = [&](const Finished& result) {
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_NE(result.err.find("out/ckpt.pt: is newer, and at iteration 3, but out/step_000000"),
              std::string::npos)
        << result.err;
    EXPECT_NE(result.err.find("gpttrain import out/ckpt.pt --overwrite=True"), std::string::npos);
  };
  expect_named(run(dir, train({"--out_dir=out", "--init_from=resume", "--max_iters=9"})));
  expect_named(run(dir, {"sample", "--device=cpu", "--num_samples=1", "--max_new_tokens=2"}));
}

TEST(ForeignFiles, AreNamedForWhatTheyAre) {
  const TempDir dir;
  prepare_tiny(dir);
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') +
      "\nsize 9\n";
  const std::string page = "<!DOCTYPE html>\n<html><head><title>401</title>";
  dir.write("lfs.pt", pointer);
  dir.write("page.pt", page);
  dir.write("model.gguf", "GGUF\x03");
  dir.write("state.bin", std::string("\x8f\xd8\x34\x01", 4) + std::string(2000, '\0'));
  for (const auto& [name, message] : std::vector<std::pair<std::string, std::string>>{
           {"lfs.pt",
            "lfs.pt: is a Git LFS pointer, which only names the file; run `git lfs pull`"},
           {"page.pt", "page.pt: is a web page, not the file that was asked for"},
           {"model.gguf", "model.gguf: is a GGUF model of llama.cpp"},
           {"state.bin", "state.bin: is llm.c's optimizer state"}}) {
    expect_error(dir, {"import", name, "--out_dir=in"}, message);
    expect_error(dir, {"sample", "--device=cpu", "--init_from=" + name}, message);
    expect_error(dir, train({"--out_dir=new", "--init_from=" + name}), message);
  }
  for (const char* name : {"model.safetensors", "pytorch_model.bin", "config.json"}) {
    const std::string folder = concat("hf_", name);
    make_directories(dir / folder);
    dir.write(folder + "/config.json", R"({"n_layer": 1, "n_head": 1, "n_embd": 8, "n_ctx": 4,
                                           "vocab_size": 9})");
    dir.write(concat(folder, "/", name), name[0] == 'c' ? page : pointer);
    if (name[0] == 'c') dir.write(folder + "/model.safetensors", pointer);
    expect_error(dir, {"import", folder, "--out_dir=in"},
                 concat(folder, "/", name, ": is a ", name[0] == 'c' ? "web page" : "Git LFS"));
  }
  make_directories(dir / "words");
  dir.write("words/tokenizer.json", pointer);
  expect_error(dir, {"prepare", "fox.txt", "--tokenizer=words", "--out=data/words"},
               "words/tokenizer.json: is a Git LFS pointer");
}

}  // namespace
}  // namespace gpt
