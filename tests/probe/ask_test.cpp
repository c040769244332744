// The process that asks, and programs that answer, die or say nothing.
#include "gpt/probe/ask.h"

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/base/files.h"

#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::TempDir;

std::string line(ProbeLine::Kind kind, const std::string& check, const std::string& item,
                 Verdict verdict = Verdict::kRight) {
  return "echo '" + probe_line({kind, {.check = check, .item = item, .verdict = verdict}}) + "'\n";
}
std::string begins(const std::string& check, const std::string& item) {
  return line(ProbeLine::kBegins, check, item);
}
std::string result(const std::string& check, const std::string& item,
                   Verdict verdict = Verdict::kRight) {
  return begins(check, item) + line(ProbeLine::kResult, check, item, verdict);
}
const std::string kDone = "echo '" + probe_line({ProbeLine::kDone, {}}) + "'\n";

// A program in place of `gpttrain probe`.
class AskProbe : public ::testing::Test {
 protected:
  ProbeQuestion question(const std::string& script) const {
    dir_.write("probe.sh", "echo run >> " + (dir_ / "runs").string() + "\n" + script);
    return {.key = "a card and shapes",
            .machine = "a card",
            .wants = {.cudnn_first = true},
            .command = {"/bin/sh", (dir_ / "probe.sh").string()},
            .patience = 60};
  }
  std::size_t runs() const {
    const std::string text = read_file(dir_ / "runs");
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  // What `script` does in a process that was told of no earlier finding, or of one of `item`.
  static std::string unless_earlier(const std::string& item, const std::string& script) {
    return "case \"$1\" in *" + item + "*) ;; *) " + script + ";; esac\n";
  }

  const TempDir dir_;
};

TEST_F(AskProbe, AProgramThatIsDoneIsAskedOnce) {
  const auto report =
      ask_probe(question("echo a library prints this\n" + result("attention", "flash") +
                         result("attention", "cuDNN", Verdict::kWrong) + kDone));
  EXPECT_EQ(runs(), 1u);
  EXPECT_EQ(report.choices.attention, std::vector{AttentionKernel::kFlash});
  ASSERT_EQ(report.steps.size(), 1u);
  EXPECT_EQ(report.steps.front().from, "cuDNN");
  EXPECT_EQ(report.choices.machine, "a card");
  EXPECT_FALSE(report.known);
}

// What it was at is what failed, and another process does the rest.
TEST_F(AskProbe, ACrashCostsWhatCrashed) {
  const auto report =
      ask_probe(question(begins("attention", "cuDNN") + unless_earlier("cuDNN", "kill -SEGV $$") +
                         result("attention", "flash") + kDone));
  EXPECT_EQ(runs(), 2u);
  EXPECT_EQ(report.choices.attention, std::vector{AttentionKernel::kFlash});
  ASSERT_EQ(report.steps.size(), 1u);
  EXPECT_NE(report.steps.front().why.find("cuDNN: failed: its process: ended by signal 11"),
            std::string::npos)
      << report.steps.front().why;
}

TEST_F(AskProbe, SilenceCountsAsFailed) {
  ProbeQuestion asked =
      question(begins("engine", "fused") + unless_earlier("fused", "sleep 100") + kDone);
  asked.patience = 4;
  const auto report = ask_probe(asked);
  EXPECT_EQ(runs(), 2u);
  EXPECT_FALSE(report.choices.fused);
  ASSERT_EQ(report.steps.size(), 1u);
  EXPECT_NE(report.steps.front().why.find("no answer in 4 s"), std::string::npos);
  EXPECT_LT(report.seconds, 60);
}

// Lines that come now and then are an answer, however long all of it takes.
TEST_F(AskProbe, SlowIsNotSilent) {
  std::string script;
  for (int i = 0; i < 4; ++i) script += "sleep 1.5\n" + result("kernel", std::to_string(i));
  ProbeQuestion asked = question(script + kDone);
  asked.patience = 5;
  EXPECT_TRUE(ask_probe(asked).steps.empty());
  EXPECT_EQ(runs(), 1u);
}

// A program that has said why it ends is not blamed for it again.
TEST_F(AskProbe, AProgramThatGivesUpAfterAFindingIsAskedAgain) {
  const auto report = ask_probe(question(
      unless_earlier("gelu", result("kernel", "gelu", Verdict::kFailed) + "exit 1") + kDone));
  EXPECT_EQ(runs(), 2u);
  EXPECT_EQ(report.unusable, "");
  EXPECT_FALSE(report.choices.fused);
  EXPECT_EQ(report.checks.size(), 1u);
}

TEST_F(AskProbe, EachRungMayKillAProcess) {
  std::string script;
  for (const char* item : {"expandable_segments", "cuDNN", "flash", "tuned", "fused"}) {
    const std::string check = std::string(item) == "expandable_segments" ? "allocator"
                              : std::string(item) == "tuned"             ? "product"
                              : std::string(item) == "fused"             ? "engine"
                                                                         : "attention";
    script += begins(check, item) + unless_earlier(item, "kill -KILL $$");
  }
  const auto report = ask_probe(question(script + result("attention", "efficient") + kDone));
  EXPECT_EQ(runs(), 6u);
  EXPECT_EQ(report.steps.size(), 5u);
  EXPECT_FALSE(report.choices.expandable_segments);
  EXPECT_EQ(report.choices.attention, std::vector{AttentionKernel::kEfficient});
  EXPECT_EQ(report.choices.gemm_level, GemmLevel::kFirst);
  EXPECT_FALSE(report.choices.fused);
  EXPECT_EQ(report.unusable, "");
}

TEST_F(AskProbe, WhatNothingCanReplaceMakesTheDeviceUnusable) {
  for (const std::string& script :
       {begins("engine", "eager") + "kill -SEGV $$\n", std::string("exit 3\n")}) {
    const auto report = ask_probe(question(script));
    EXPECT_NE(report.unusable, "") << script;
  }
}

TEST_F(AskProbe, TheAnswerIsKeptByItsKey) {
  ProbeQuestion asked = question(result("attention", "flash") + kDone);
  asked.folder = dir_.path();
  const ProbeReport first = ask_probe(asked), second = ask_probe(asked);
  EXPECT_EQ(runs(), 1u);
  EXPECT_TRUE(second.known);
  EXPECT_EQ(second.choices, first.choices);
  asked.key = "another driver";
  EXPECT_FALSE(ask_probe(asked).known);
  EXPECT_EQ(runs(), 2u);
  // A file that is damaged, or of another question, is not an answer.
  fs::copy_file(probe_file(dir_.path(), "another driver"), probe_file(dir_.path(), "a third"));
  asked.key = "a third";
  EXPECT_FALSE(ask_probe(asked).known);
  replace_file(probe_file(dir_.path(), "a third"), "{");
  EXPECT_FALSE(ask_probe(asked).known);
  EXPECT_EQ(runs(), 4u);
}

TEST_F(AskProbe, AnUnusableDeviceIsAskedAgain) {
  ProbeQuestion asked = question("exit 3\n");
  asked.folder = dir_.path();
  for (int i = 0; i < 2; ++i) EXPECT_NE(ask_probe(asked).unusable, "");
  EXPECT_EQ(runs(), 2u);
}

TEST_F(AskProbe, AProgramThatIsNotThereIsAnError) {
  ProbeQuestion asked = question("");
  asked.command = {(dir_ / "nothing").string()};
  EXPECT_THROW(ask_probe(asked), IoError);
}

}  // namespace
}  // namespace gpt
