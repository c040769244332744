// From a probe's answer to a run's config and to its metrics.
#include "gpt/train/probe_setup.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "gpt/base/files.h"
#include "gpt/metrics/jsonl.h"

#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

class ProbeSetup : public ::testing::Test {
 protected:
  ~ProbeSetup() override { set_device_choices(std::nullopt); }

  // What a run is settled to by a program that finds this.
  std::vector<StepDown> settle_by(const std::vector<CheckResult>& findings, TrainConfig& config) {
    std::string script;
    for (const CheckResult& finding : findings)
      script += "echo '" + probe_line({ProbeLine::kResult, finding}) + "'\n";
    dir_.write("probe.sh", script + "echo '" + probe_line({ProbeLine::kDone, {}}) + "'\n");
    return settle_by_answer({.key = "a card, and shapes",
                             .machine = "a card, its driver",
                             .wants = probe_wants(config, cpu_),
                             .command = {"/bin/sh", (dir_ / "probe.sh").string()}},
                            config);
  }
  static CheckResult bad(const char* check, const char* item) {
    return {.check = check, .item = item, .verdict = Verdict::kFailed};
  }

  const TempDir dir_;
  const Compute cpu_{c10::Device(c10::kCPU), at::kFloat};
};

TEST_F(ProbeSetup, StepsDownAreInTheConfig) {
  TrainConfig config;
  config.system.compile_mode = "reduce-overhead";
  settle_by({}, config);
  EXPECT_TRUE(config.system.compile);
  EXPECT_EQ(config.system.compile_mode, "reduce-overhead");
  EXPECT_TRUE(device_choices());
  const auto steps = settle_by({bad(kCheckGraphs, "graph"), bad(kCheckKernel, "gelu")}, config);
  EXPECT_EQ(steps.size(), 2u);
  EXPECT_FALSE(config.system.compile);
  EXPECT_EQ(config.system.compile_mode, "default");
  EXPECT_EQ(device_choices()->machine, "a card, its driver");
}

TEST_F(ProbeSetup, AnAllocatorThatFailsIsNative) {
  for (const char* asked : {"auto", "expandable_segments", "max_split_size_mb:64"}) {
    TrainConfig config;
    config.memory.allocator = asked;
    settle_by({bad(kCheckAllocator, kItemExpandable)}, config);
    const bool own_words = std::string(asked).find(':') != std::string::npos;
    EXPECT_EQ(config.memory.allocator, own_words ? asked : "native");
  }
}

TEST_F(ProbeSetup, ADeviceThatNothingCanUseIsAnError) {
  TrainConfig config;
  const std::string text = error_text([&] { settle_by({bad(kCheckEngine, kItemEager)}, config); });
  EXPECT_NE(text.find("nothing can be computed on a card: engine eager: failed"), std::string::npos)
      << text;
  EXPECT_NE(text.find("--device=cpu"), std::string::npos);
}

// A system on which no program can be started still trains.
TEST_F(ProbeSetup, AProbeThatCannotBeStartedIsAWarning) {
  TrainConfig config;
  EXPECT_TRUE(
      settle_by_answer({.key = "k", .machine = "m", .wants = {}, .command = {"/no/such"}}, config)
          .empty());
  EXPECT_EQ(device_choices(), nullptr);
}

TEST_F(ProbeSetup, OnTheCpuNothingIsProbed) {
  TrainConfig config;
  EXPECT_TRUE(settle_by_probe(config, cpu_).empty());
  EXPECT_EQ(device_choices(), nullptr);
}

TEST_F(ProbeSetup, StepsAreEvents) {
  JsonlMetrics metrics(dir_ / "metrics.jsonl");
  record_steps({{"attention", "cuDNN", "flash", "it was off"}}, metrics);
  const std::string text = read_file(dir_ / "metrics.jsonl");
  for (const char* word : {"\"probe\"", "\"cuDNN\"", "\"flash\"", "it was off"})
    EXPECT_NE(text.find(word), std::string::npos) << text;
}

TEST_F(ProbeSetup, ArgumentsSayWhatIsChecked) {
  TrainConfig config;
  config.model.n_embd = 640;
  config.model.vocab_size.value = 65;
  config.system.dtype = "bfloat16";
  const auto arguments = probe_arguments(config, {c10::Device(c10::kCUDA, 1), at::kBFloat16});
  for (const char* wanted : {"--device=cuda:1", "--dtype=bfloat16", "--n_embd=640",
                             "--vocab_size=65", "--micro_batch_size=auto", "--compile=True"})
    EXPECT_NE(std::find(arguments.begin(), arguments.end(), wanted), arguments.end()) << wanted;
  for (const std::string& argument : arguments)
    EXPECT_FALSE(argument.starts_with("--learning_rate") || argument.starts_with("--seed"));
}

}  // namespace
}  // namespace gpt
