// Runs that come from nanoGPT and Hugging Face, and go back to them.
#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/strings.h"
#include "gpt/checkpoint/run_state.h"

#include "support/child.h"
#include "support/python.h"

namespace gpt {
namespace {

using nlohmann::json;
using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;

#define REQUIRE_TORCH(python)                        \
  const std::string python = testing::venv_python(); \
  if (python.empty()) GTEST_SKIP() << "no PyTorch in the cache folder; scripts/setup installs it"

const std::vector<std::string> kFlags{
    "--dataset=tiny",   "--eval_interval=10", "--eval_iters=2",
    "--batch_size=4",   "--block_size=32",    "--n_layer=2",
    "--n_head=2",       "--n_embd=32",        "--lr_decay_iters=40",
    "--warmup_iters=2", "--max_iters=30",     "--gradient_accumulation_steps=2"};

std::vector<std::string> train(const std::vector<std::string>& more) {
  std::vector<std::string> arguments{"train", "--device=cpu", "--threads=1"};
  arguments.insert(arguments.end(), kFlags.begin(), kFlags.end());
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// nanoGPT's train.py, as tests/app/nanogpt_run.py has it.
json nanogpt(const std::string& python, const TempDir& dir, std::vector<std::string> options,
             const std::vector<std::string>& more = {}) {
  options.insert(options.end(), {"--", "--data_dir=" + (dir / "data").string()});
  options.insert(options.end(), kFlags.begin(), kFlags.end());
  options.insert(options.end(), more.begin(), more.end());
  const auto result = testing::run_python(python, "tests/app/nanogpt_run.py", options);
  EXPECT_EQ(result.code, 0) << result.out;
  return json::parse(result.out);
}

std::map<int, double> losses(const fs::path& metrics) {
  std::map<int, double> list;
  std::istringstream lines(read_file(metrics));
  for (std::string line; std::getline(lines, line);) {
    const auto record = json::parse(line);
    if (record.at("event") == "train") list[record.at("iter")] = record.at("loss");
  }
  return list;
}

// To the four decimals that nanoGPT prints.
void expect_same_losses(const std::map<int, double>& ours, const json& theirs, std::size_t count) {
  double largest = 0;
  EXPECT_EQ(theirs.size(), count);
  for (const auto& [iteration, loss] : theirs.items()) {
    const auto found = ours.find(std::stoi(iteration));
    ASSERT_NE(found, ours.end()) << iteration;
    EXPECT_NEAR(found->second, loss.get<double>(), 5e-5) << iteration;
    largest = std::max(largest, std::abs(found->second - loss.get<double>()));
  }
  std::printf("largest difference of a loss: %.2g over %zu iterations\n", largest, count);
}

TEST(Nanogpt, ItsRunGoesOnHereWithItsLosses) {
  REQUIRE_TORCH(python);
  const TempDir dir;
  prepare_tiny(dir);
  make_directories(dir / "out");
  const std::string file = dir / "out/ckpt.pt";
  nanogpt(python, dir, {"--compiled", "--save", file + ":10"});
  const json going_on = nanogpt(python, dir, {"--resume", file});

  const Finished resumed = run(dir, train({"--out_dir=out", "--init_from=resume"}));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.err.find("ckpt.pt: nanoGPT's checkpoint was imported as out/step_00000010"),
            std::string::npos)
      << resumed.err;
  expect_same_losses(losses(dir / "out/metrics.jsonl"), going_on.at("losses"), 21);

  // The optimizer's state is part of it: without, the losses are others.
  const Finished imported =
      run(dir, {"import", "out/ckpt.pt", "--out_dir=fresh", "--optimizer=False"});
  ASSERT_EQ(imported.code, 0) << imported.err;
  ASSERT_EQ(run(dir, train({"--out_dir=fresh", "--init_from=resume"})).code, 0);
  EXPECT_GT(std::abs(losses(dir / "fresh/metrics.jsonl").at(15) -
                     going_on.at("losses").at("15").get<double>()),
            1e-3);
}

TEST(Nanogpt, OurRunGoesOnThereWithItsLosses) {
  REQUIRE_TORCH(python);
  const TempDir dir;
  prepare_tiny(dir);
  for (const std::string bias : {"--bias=False", "--bias=True"}) {
    const std::string out = "out" + bias;
    ASSERT_EQ(run(dir, train({"--out_dir=" + out, "--max_iters=9", bias})).code, 0);
    const Finished exported = run(dir, {"export", "--out_dir=" + out, "--format=nanogpt",
                                        "--to=there/ckpt.pt", "--overwrite=True"});
    ASSERT_EQ(exported.code, 0) << exported.err;
    const json there = nanogpt(python, dir, {"--resume", dir / "there/ckpt.pt"}, {bias});
    // The same file again here: both begin with nanoGPT's draws after a resume.
    const std::string back = "back" + bias;
    const Finished imported = run(dir, {"import", "there/ckpt.pt", "--out_dir=" + back});
    ASSERT_EQ(imported.code, 0) << imported.err;
    for (const char* part : {"model.safetensors", "optimizer.safetensors"})
      EXPECT_EQ(read_file(dir / back / "step_00000010" / part),
                read_file(dir / out / "step_00000010" / part))
          << part;
    ASSERT_EQ(run(dir, train({"--out_dir=" + back, "--init_from=resume", bias})).code, 0);
    expect_same_losses(losses(dir / back / "metrics.jsonl"), there.at("losses"), 21);
  }
}

// nanoGPT has no Muon: there as here AdamW continues with what it had, and begins at zero with the
// matrices.
TEST(Nanogpt, GoesOnWithAdamWWhereMuonHasTrained) {
  REQUIRE_TORCH(python);
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, train({"--out_dir=out", "--max_iters=9", "--optimizer=muon"})).code, 0);
  const Finished exported =
      run(dir, {"export", "--out_dir=out", "--format=nanogpt", "--to=there/ckpt.pt"});
  ASSERT_EQ(exported.code, 0) << exported.err;
  EXPECT_NE(exported.err.find("trained with optimizer=muon"), std::string::npos) << exported.err;
  const json there = nanogpt(python, dir, {"--resume", dir / "there/ckpt.pt"});
  const Finished imported = run(dir, {"import", "there/ckpt.pt", "--out_dir=back"});
  ASSERT_EQ(imported.code, 0) << imported.err;
  ASSERT_EQ(run(dir, train({"--out_dir=back", "--init_from=resume"})).code, 0);
  expect_same_losses(losses(dir / "back/metrics.jsonl"), there.at("losses"), 21);
  // A run of nanoGPT's continues with Muon, from no momentum.
  const Finished imported_again = run(dir, {"import", "there/ckpt.pt", "--out_dir=muon"});
  ASSERT_EQ(imported_again.code, 0) << imported_again.err;
  const Finished muon =
      run(dir, train({"--out_dir=muon", "--init_from=resume", "--optimizer=muon"}));
  ASSERT_EQ(muon.code, 0) << muon.err;
  EXPECT_NE(muon.err.find("was saved with optimizer=adamw"), std::string::npos) << muon.err;
  EXPECT_GT(std::abs(losses(dir / "muon/metrics.jsonl").at(15) -
                     there.at("losses").at("15").get<double>()),
            1e-3);
}

TEST(Nanogpt, CropsTheBlockSizeOnResumeAsNanogptDoes) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, train({"--out_dir=out", "--max_iters=9"})).code, 0);
  const Finished longer =
      run(dir, train({"--out_dir=out", "--init_from=resume", "--block_size=64"}));
  EXPECT_EQ(longer.code, 2);
  EXPECT_NE(longer.err.find("trained with 32 positions, got 64"), std::string::npos) << longer.err;
  const Finished cropped =
      run(dir, train({"--out_dir=out", "--init_from=resume", "--block_size=16"}));
  ASSERT_EQ(cropped.code, 0) << cropped.err;
  EXPECT_NE(cropped.err.find("32 positions are cropped to 16"), std::string::npos) << cropped.err;
  EXPECT_LT(losses(dir / "out/metrics.jsonl").at(30), losses(dir / "out/metrics.jsonl").at(0));
}

TEST(HuggingFace, AnExportedFolderIsWhereARunBegins) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, train({"--out_dir=out", "--gelu=tanh"})).code, 0);
  const Finished exported = run(dir, {"export", "--out_dir=out", "--format=hf"});
  ASSERT_EQ(exported.code, 0) << exported.err;
  EXPECT_NE(exported.out.find("wrote out/hf from out/step_00000031"), std::string::npos);
  EXPECT_EQ(exported.err.find("tokenizer"), std::string::npos) << exported.err;
  const Finished sampled = run(dir, {"sample", "--init_from=out/hf", "--device=cpu", "--start=the",
                                     "--num_samples=1", "--max_new_tokens=3"});
  EXPECT_EQ(sampled.code, 0) << sampled.err;
  EXPECT_EQ(json::parse(read_file(dir / "out/hf/config.json")).at("activation_function"),
            "gelu_new");
  const double last = losses(dir / "out/metrics.jsonl").at(30);

  const Finished tuned =
      run(dir, train({"--out_dir=tuned", "--init_from=out/hf", "--dropout=0.1", "--max_iters=2"}));
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  EXPECT_NEAR(losses(dir / "tuned/metrics.jsonl").at(0), last, 0.1);
  const json config = json::parse(read_file(dir / "tuned/config.json"));
  EXPECT_EQ(config.at("gelu"), "tanh");
  EXPECT_EQ(config.at("bias"), true);
  EXPECT_EQ(config.at("dropout"), 0.1);

  const Finished imported = run(dir, {"import", "out/hf", "--out_dir=in", "--dataset=tiny"});
  ASSERT_EQ(imported.code, 0) << imported.err;
  const Finished resumed = run(dir, train({"--out_dir=in", "--init_from=resume", "--max_iters=2"}));
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NEAR(losses(dir / "in/metrics.jsonl").at(0), last, 0.1);
  const Finished again = run(dir, {"export", "--out_dir=in", "--to=hf2"});
  ASSERT_EQ(again.code, 0) << again.err;
}

TEST(HuggingFace, ARunFromAFolderGoesOnAfterASignalByTheSameCommand) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, train({"--out_dir=out", "--max_iters=1"})).code, 0);
  ASSERT_EQ(run(dir, {"export", "--out_dir=out", "--to=hf"}).code, 0);
  std::vector<std::string> command{"train",
                                   "--device=cpu",
                                   "--threads=1",
                                   "--dataset=tiny",
                                   "--init_from=./hf",
                                   "--out_dir=tuned",
                                   "--batch_size=4",
                                   "--eval_iters=1",
                                   "--max_iters=100000",
                                   "--gradient_accumulation_steps=1"};
  const testing::Child child(dir, command);
  ASSERT_TRUE(child.says("iter 20:"));
  kill(child.pid(), SIGTERM);
  ASSERT_EQ(child.wait().code, 75);
  const testing::Child again(dir, command);
  ASSERT_TRUE(again.says("resuming from tuned/step_"));
  ASSERT_TRUE(again.says("iter "));
  kill(again.pid(), SIGTERM);
  EXPECT_EQ(again.wait().code, 75);
}

TEST(HuggingFace, AGpt2SizedModelTakesItsTokenizerAlong) {
  const std::string python = testing::venv_python("extras");
  if (python.empty())
    GTEST_SKIP() << "no transformers in the cache folder; scripts/setup --with-tests installs it";
  const TempDir dir;
  // nanoGPT's openwebtext: no meta.json, GPT-2's tokens, a vocabulary padded to 50304.
  make_directories(dir / "data/owt");
  std::string tokens(2000, '\1');
  for (const char* split : {"train.bin", "val.bin"}) dir.write(concat("data/owt/", split), tokens);
  ASSERT_EQ(
      run(dir, train({"--dataset=owt", "--out_dir=out", "--max_iters=1", "--n_embd=16"})).code, 0);
  const Finished exported = run(dir, {"export", "--out_dir=out"});
  ASSERT_EQ(exported.code, 0) << exported.err;
  const auto read = testing::run_python(python, "tests/interop/hf_models.py",
                                        {"text", dir / "out/hf", "Hello world, hello!"});
  ASSERT_EQ(read.code, 0) << read.out;
  const json found = json::parse(read.out);
  EXPECT_EQ(found.at("tokens"), json({15496, 995, 11, 23748, 0}));
  EXPECT_EQ(found.at("text"), "Hello world, hello!");
  EXPECT_EQ(found.at("end"), 50256);
  EXPECT_EQ(found.at("eos"), 50256);
  EXPECT_EQ(found.at("logits").size(), 10u * 50257u);
  EXPECT_EQ(found.at("generated"), 9);
}

// The newest checkpoint once more, as the next step's, with the last value of one tensor replaced.
void save_with(const fs::path& out_dir, const std::string& file, const std::string& tensor,
               float value) {
  CheckpointStore store(out_dir, 100);
  const CheckpointInfo newest = store.newest_good().value();
  Manifest manifest = newest.manifest;
  ++manifest.step;
  std::vector<std::unique_ptr<SafetensorsFile>> files;
  std::vector<CheckpointPart> parts;
  std::vector<std::byte> changed;
  for (const char* name : {kModelFile, kOptimizerFile}) {
    files.push_back(std::make_unique<SafetensorsFile>(newest.path / name));
    parts.push_back({name, files.back()->tensors()});
    if (name != file) continue;
    for (TensorView& view : parts.back().tensors) {
      if (view.name != tensor) continue;
      changed.assign(view.bytes.begin(), view.bytes.end());
      std::memcpy(changed.data() + changed.size() - sizeof value, &value, sizeof value);
      view.bytes = changed;
    }
  }
  ASSERT_FALSE(changed.empty());
  store.save(manifest, parts);
}

// `arguments` are refused for `message`, and taken with --allow_nonfinite=True.
void expect_refused_unless_allowed(const TempDir& dir, std::vector<std::string> arguments,
                                   const std::string& message) {
  const Finished refused = run(dir, arguments);
  EXPECT_EQ(refused.code, 2) << refused.err;
  EXPECT_NE(refused.err.find(message), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("--allow_nonfinite=True"), std::string::npos) << refused.err;
  arguments.push_back("--allow_nonfinite=True");
  const Finished allowed = run(dir, arguments);
  EXPECT_EQ(allowed.code, 0) << allowed.err;
}

TEST(NonFinite, WeightsAreExportedAndImportedOnlyWhenAllowed) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, train({"--out_dir=out", "--max_iters=1"})).code, 0);
  const std::string name = "transformer.h.1.mlp.c_fc.weight";
  save_with(dir / "out", kModelFile, name, std::numeric_limits<float>::quiet_NaN());
  const std::string message = name + ": 1 of 4096 value(s) are NaN or infinite";
  for (const char* format : {"hf", "nanogpt"})
    expect_refused_unless_allowed(
        dir, {"export", "--out_dir=out", std::string("--format=") + format}, message);
  expect_refused_unless_allowed(dir, {"import", "out/hf", "--out_dir=from_hf"}, message);
  expect_refused_unless_allowed(dir, {"import", "out/ckpt.pt", "--out_dir=from_nanogpt"}, message);
  const Finished older =
      run(dir, {"export", "--out_dir=out", "--checkpoint=out/step_00000002", "--to=older"});
  EXPECT_EQ(older.code, 0) << older.err;
}

TEST(NonFinite, OptimizerStateCountsWhereItIsTaken) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, train({"--out_dir=out", "--max_iters=1"})).code, 0);
  const std::string name = "transformer.wte.weight.exp_avg_sq";
  save_with(dir / "out", kOptimizerFile, name, -std::numeric_limits<float>::infinity());
  EXPECT_EQ(run(dir, {"export", "--out_dir=out", "--format=hf"}).code, 0);
  expect_refused_unless_allowed(dir, {"export", "--out_dir=out", "--format=nanogpt"},
                                name + ": 1 of ");
  EXPECT_EQ(run(dir, {"import", "out/ckpt.pt", "--out_dir=weights", "--optimizer=False"}).code, 0);
  expect_refused_unless_allowed(dir, {"import", "out/ckpt.pt", "--out_dir=all"}, name + ": 1 of ");
}

TEST(Import, SaysWhatIsWrongAndChangesNothing) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, train({"--out_dir=out", "--max_iters=1"})).code, 0);
  ASSERT_EQ(run(dir, {"export", "--out_dir=out", "--format=nanogpt"}).code, 0);
  std::string damaged = read_file(dir / "out/ckpt.pt");
  dir.write("cut.pt", damaged.substr(0, damaged.size() / 2));
  damaged[damaged.size() / 2] ^= 1;
  dir.write("damaged.pt", damaged);
  make_directories(dir / "folder");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"import"}, "expected one file or folder"},
      {{"import", "absent.pt"}, "absent.pt: no such file or folder"},
      {{"import", "cut.pt", "--out_dir=in"}, "cut.pt: has no end-of-directory record"},
      {{"import", "damaged.pt", "--out_dir=in"}, "damaged.pt: entry 'ckpt/data/"},
      {{"import", "fox.txt", "--out_dir=in"}, "fox.txt: is no file of torch.save"},
      {{"import", "folder", "--out_dir=in"}, "config.json"},
      {{"import", "folder"}, "--out_dir is missing"},
      {{"import", "out/ckpt.pt"}, "out: already holds a run at step 2"},
      {{"import", "gpt2", "--out_dir=in"}, "gpt2: no local copy of its weights"},
      {{"export", "--out_dir=nowhere"}, "nowhere: no such folder"},
      {{"export", "--out_dir=folder"}, "folder: no good checkpoint"},
      {{"export", "--out_dir=out", "--format=nanogpt"}, "out/ckpt.pt: already exists"},
      {{"export", "--out_dir=out", "--format=onnx"}, "format: expected nanogpt or hf"},
      {train({"--out_dir=new", "--init_from=gpt2-smal"}), "init_from: expected scratch, resume"},
      {train({"--out_dir=new", "--init_from=./absent"}), "./absent: no such file or folder"},
  };
  for (const auto& [arguments, message] : cases) {
    const Finished refused = run(dir, arguments);
    EXPECT_EQ(refused.code, 2) << message;
    EXPECT_NE(refused.err.find(message), std::string::npos) << refused.err;
    EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1) << refused.err;
  }
  EXPECT_EQ(run(dir, {"checkpoint", "verify", "out"}).code, 0);
  EXPECT_FALSE(fs::exists(dir / "in/step_00000002"));
  const Finished replaced = run(dir, {"import", "out/ckpt.pt", "--overwrite=True"});
  EXPECT_EQ(replaced.code, 0) << replaced.err;
  EXPECT_NE(replaced.err.find("the earlier run was moved to out/replaced-"), std::string::npos);
  const Finished again =
      run(dir, {"export", "--out_dir=out", "--format=nanogpt", "--overwrite=True"});
  EXPECT_EQ(again.code, 0) << again.err;
}

}  // namespace
}  // namespace gpt
