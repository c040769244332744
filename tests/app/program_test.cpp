// The program from outside: prepare, train, sample, stop, continue.
#include <algorithm>
#include <csignal>
#include <fstream>
#include <regex>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/child.h"

namespace gpt {
namespace {

using testing::Child;
using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;
using testing::tiny_training;

std::vector<double> losses(const fs::path& metrics) {
  std::vector<double> list;
  std::istringstream lines(read_file(metrics));
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line);
    if (json.at("event") == "train") list.push_back(json.at("loss"));
  }
  return list;
}

std::size_t line_count(const std::string& text) {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

TEST(Program, PreparesTrainsAndWrites) {
  const TempDir dir;
  prepare_tiny(dir);
  const Finished trained = run(dir, tiny_training({"--out_dir=out", "--max_iters=40"}));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(std::regex_search(
      trained.out, std::regex("(^|\n)step 0: train loss \\d\\.\\d{4}, val loss \\d\\.\\d{4}\n")));
  EXPECT_TRUE(std::regex_search(
      trained.out,
      std::regex("(^|\n)iter 40: loss \\d\\.\\d{4}, time \\d+\\.\\d\\dms, mfu \\d+\\.\\d\\d%")));
  const auto curve = losses(dir / "out/metrics.jsonl");
  ASSERT_EQ(curve.size(), 41u);
  EXPECT_LT(curve.back(), curve.front() - 0.3);

  const auto saved = nlohmann::json::parse(read_file(dir / "out/config.json"));
  EXPECT_EQ(saved.at("device"), "cpu");
  EXPECT_EQ(saved.at("dtype"), "float32");
  EXPECT_EQ(saved.at("vocab_size"), 28);
  const Finished printed = run(dir, {"out/config.json", "--print_config"});
  EXPECT_EQ(nlohmann::json::parse(printed.out), saved);

  const std::vector<std::string> sample{"sample",          "--out_dir=out",
                                        "--num_samples=2", "--max_new_tokens=60",
                                        "--start=the ",    "--device=cpu"};
  const Finished first = run(dir, sample), again = run(dir, sample);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_EQ(first.out.rfind("the ", 0), 0u);
  EXPECT_EQ(first.out, again.out);
  auto other = sample;
  other.push_back("--seed=1");
  EXPECT_NE(run(dir, other).out, first.out);
  auto foreign = sample;
  foreign.push_back("--start=THE");
  const Finished refused = run(dir, foreign);
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("command line: start"), std::string::npos) << refused.err;
}

TEST(Program, ASignalStopsItWith75AndTheSameCommandGoesOnBitForBit) {
  const TempDir dir;
  prepare_tiny(dir);
  const auto command = [](const std::string& out) {
    return tiny_training({"--out_dir=" + out, "--max_iters=300", "--eval_interval=100"});
  };
  ASSERT_EQ(run(dir, command("whole")).code, 0);
  const Child child(dir, command("parts"));
  ASSERT_TRUE(child.says("iter 30:"));
  kill(child.pid(), SIGTERM);
  const Finished stopped = child.wait();
  ASSERT_EQ(stopped.code, 75) << stopped.err;
  EXPECT_NE(stopped.out.find("signal SIGTERM"), std::string::npos);
  EXPECT_EQ(run(dir, {"checkpoint", "verify", "parts"}).code, 0);

  const Finished gone_on = run(dir, command("parts"));
  ASSERT_EQ(gone_on.code, 0) << gone_on.err;
  EXPECT_NE(gone_on.err.find("resuming the run that SIGTERM stopped"), std::string::npos);
  EXPECT_EQ(losses(dir / "parts/metrics.jsonl"), losses(dir / "whole/metrics.jsonl"));
  for (const char* file : {"model.safetensors", "optimizer.safetensors"})
    EXPECT_EQ(read_file(dir / "parts" / "step_00000301" / file),
              read_file(dir / "whole" / "step_00000301" / file));
}

TEST(Program, ASignalBeforeTheFirstStepIsAStopLikeAnyOther) {
  const TempDir dir;
  prepare_tiny(dir);
  const auto command = tiny_training({"--out_dir=stopped", "--max_iters=5"});
  const Child child(dir, command);
  ASSERT_TRUE(child.holds_signals());
  kill(child.pid(), SIGTERM);
  const Finished stopped = child.wait();
  EXPECT_EQ(stopped.code, 75) << stopped.err;
  const Finished gone_on = run(dir, command);
  EXPECT_EQ(gone_on.code, 0) << gone_on.err;
  EXPECT_NE(gone_on.err.find("resuming the run that SIGTERM stopped"), std::string::npos);
}

TEST(Program, AKilledRunResumesBitForBit) {
  const TempDir dir;
  prepare_tiny(dir);
  const auto command = [](const std::string& out) {
    return tiny_training(
        {"--out_dir=" + out, "--max_iters=120", "--eval_interval=50", "--checkpoint_interval=3"});
  };
  ASSERT_EQ(run(dir, command("whole")).code, 0);
  auto resume = command("parts");
  for (const char* moment : {"iter 17:", "iter 44:", "iter 71:", "iter 99:"}) {
    const Child child(dir, resume);
    ASSERT_TRUE(child.says(moment)) << moment;
    kill(child.pid(), SIGKILL);
    EXPECT_EQ(child.wait().code, -SIGKILL);
    if (resume.back() != "--init_from=resume") resume.push_back("--init_from=resume");
  }
  ASSERT_EQ(run(dir, resume).code, 0);
  EXPECT_EQ(read_file(dir / "parts/step_00000121/model.safetensors"),
            read_file(dir / "whole/step_00000121/model.safetensors"));
}

TEST(Program, OneRunPerFolder) {
  const TempDir dir;
  prepare_tiny(dir);
  const Child first(dir, tiny_training({"--out_dir=out", "--max_iters=100000"}));
  ASSERT_TRUE(first.says("iter 5:"));
  const Finished second = run(dir, tiny_training({"--out_dir=out"}));
  EXPECT_EQ(second.code, 2);
  EXPECT_NE(
      second.err.find("another run is using this folder (process " + std::to_string(first.pid())),
      std::string::npos)
      << second.err;
  kill(first.pid(), SIGINT);
  EXPECT_EQ(first.wait().code, 75);
}

TEST(Program, AFinishedRunIsNotOverwrittenUnasked) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, tiny_training({"--out_dir=out"})).code, 0);
  const Finished refused = run(dir, tiny_training({"--out_dir=out"}));
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("holds a run at step 21; add --init_from=resume"), std::string::npos)
      << refused.err;
  EXPECT_EQ(run(dir, tiny_training({"--out_dir=out", "--overwrite=True"})).code, 0);
  bool kept = false;
  for (const auto& entry : fs::directory_iterator(dir / "out"))
    kept = kept || (entry.path().filename().string().starts_with("replaced-") &&
                    fs::exists(entry.path() / "step_00000021/manifest.json"));
  EXPECT_TRUE(kept);
}

std::string replaced_place(const TempDir& dir) {
  for (const auto& entry : fs::directory_iterator(dir / "out"))
    if (entry.path().filename().string().starts_with("replaced-"))
      return entry.path().filename().string();
  return "";
}

// Until the new run has a checkpoint, killing it leaves the old one as it was.
TEST(Program, ARunIsOverwrittenOnceItsSuccessorHasACheckpoint) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, tiny_training({"--out_dir=out"})).code, 0);
  const std::string metrics = read_file(dir / "out/metrics.jsonl"),
                    config = read_file(dir / "out/config.json");
  const auto successor = tiny_training({"--out_dir=out", "--overwrite=True", "--max_iters=100000",
                                        "--eval_interval=100000", "--seed=7"});
  {
    const Child killed(dir, successor);
    ASSERT_TRUE(killed.says("iter 30:"));
    EXPECT_EQ(replaced_place(dir), "");
    EXPECT_TRUE(fs::exists(dir / "out/step_00000021/manifest.json"));
    kill(killed.pid(), SIGKILL);
    killed.wait();
  }
  EXPECT_EQ(read_file(dir / "out/metrics.jsonl"), metrics);
  EXPECT_EQ(read_file(dir / "out/config.json"), config);
  const Finished resumed =
      run(dir, tiny_training({"--out_dir=out", "--init_from=resume", "--max_iters=21"}));
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_NE(resumed.out.find("resuming from out/step_00000021"), std::string::npos) << resumed.out;
  for (const auto& entry : fs::directory_iterator(dir / "out"))
    EXPECT_EQ(entry.path().string().find(".tmp-"), std::string::npos) << entry.path();

  const Child stopped(dir, successor);
  ASSERT_TRUE(stopped.says("iter 30:"));
  kill(stopped.pid(), SIGTERM);
  const Finished saved = stopped.wait();
  EXPECT_EQ(saved.code, 75);
  const std::string place = replaced_place(dir);
  EXPECT_NE(saved.err.find("the earlier run was moved to out/" + place), std::string::npos)
      << saved.err;
  EXPECT_TRUE(fs::exists(dir / "out" / place / "step_00000021/manifest.json"));
  EXPECT_EQ(read_file(dir / "out" / place / "metrics.jsonl").substr(0, metrics.size()), metrics);
  EXPECT_NE(read_file(dir / "out/config.json").find("\"seed\": 7"), std::string::npos);
  EXPECT_NE(read_file(dir / "out/metrics.jsonl").find("\"iter\":30,"), std::string::npos);
}

TEST(Program, ADamagedCheckpointIsNamedAndPassedOver) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, tiny_training({"--out_dir=out"})).code, 0);
  const fs::path file = dir / "out/step_00000021/model.safetensors";
  std::string bytes = read_file(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::ofstream(file, std::ios::binary) << bytes;
  const Finished verified = run(dir, {"checkpoint", "verify", "out"});
  EXPECT_EQ(verified.code, 1);
  EXPECT_NE(verified.out.find("step_00000021  damaged: model.safetensors: checksum"),
            std::string::npos)
      << verified.out;
  const Finished resumed =
      run(dir, tiny_training({"--out_dir=out", "--init_from=resume", "--max_iters=25"}));
  EXPECT_EQ(resumed.code, 0);
  EXPECT_NE(resumed.err.find("step_00000021 is passed over"), std::string::npos) << resumed.err;
  EXPECT_NE(resumed.out.find("resuming from out/step_00000020"), std::string::npos) << resumed.out;
}

TEST(Program, WrongInputIsOneLineAndExitCode2) {
  const TempDir dir;
  prepare_tiny(dir);
  dir.write("typo.py", "\n\nlearning_rte = 1\n");
  dir.write("twice.json", "{\"batch_size\": 1,\n \"batch_size\": 2}");
  fs::create_directory(dir / "data/odd");
  dir.write("data/odd/train.bin", "abc");
  dir.write("data/odd/val.bin", "abc");
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"typo.py"}, "typo.py:3"},
      {{"twice.json"}, "twice.json:2"},
      {{"nothing.py"}, "nothing.py: cannot read: No such file or directory"},
      {{"--n_head=7"}, "n_embd (768) must be a multiple of n_head (7)"},
      {{"trian"}, "did you mean train?"},
      {tiny_training({"--dataset=none"}), "data/none: no such dataset folder"},
      {tiny_training({"--dataset=odd"}), "data/odd/train.bin"},
      {tiny_training({"--out_dir=empty", "--init_from=resume"}), "no good checkpoint"},
      {tiny_training({"--out_dir=empty", "--init_from=gpt2"}), "init_from=gpt2"},
      {{"sample", "--out_dir=nowhere"}, "nowhere: no such folder"},
      {{"checkpoint", "verify", "nowhere"}, "nowhere: no such folder"},
      {{"prepare", "fox.txt"}, "--out is missing"},
  };
  for (const auto& [arguments, text] : cases) {
    const Finished refused = run(dir, arguments);
    EXPECT_EQ(refused.code, 2) << text;
    EXPECT_EQ(line_count(refused.err), 1u) << refused.err;
    EXPECT_NE(refused.err.find(text), std::string::npos) << refused.err;
  }
}

}  // namespace
}  // namespace gpt
