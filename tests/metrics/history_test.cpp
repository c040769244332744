#include "gpt/metrics/history.h"

#include <cmath>

#include <gtest/gtest.h>

#include "gpt/base/error.h"

#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::TempDir;

// "train 3" of every event that counts.
std::vector<std::string> counted(const TempDir& dir, const std::string& text,
                                 HistoryFacts* facts = nullptr) {
  std::vector<std::string> list;
  const auto file = dir.write("metrics.jsonl", text);
  const HistoryFacts found = read_history(file, [&](const MetricsEvent& event) {
    list.push_back(event.name + " " + std::to_string(event.iter));
  });
  if (facts) *facts = found;
  return list;
}

std::string line(const std::string& event, int iter) {
  return R"({"event":")" + event + R"(","time":1,"iter":)" + std::to_string(iter) + "}\n";
}

using List = std::vector<std::string>;

TEST(History, APlainRunIsAllThere) {
  const TempDir dir;
  EXPECT_EQ(counted(dir, line("start", 0) + line("eval", 0) + line("train", 0) + line("train", 1)),
            (List{"start 0", "eval 0", "train 0", "train 1"}));
}

TEST(History, WhatAResumedRunDoesAgainCountsOnce) {
  const TempDir dir;
  HistoryFacts facts;
  // Saved with the evaluation of 2, ended by a crash after 3.
  const std::string text = line("start", 0) + line("train", 0) + line("train", 1) +
                           line("eval", 2) + line("checkpoint", 2) + line("train", 2) +
                           line("train", 3) + line("resume", 2) + line("train", 2) +
                           line("train", 3);
  EXPECT_EQ(counted(dir, text, &facts), (List{"start 0", "train 0", "train 1", "eval 2",
                                              "checkpoint 2", "resume 2", "train 2", "train 3"}));
  EXPECT_EQ(facts.superseded, 2);
  EXPECT_EQ(facts.lines, 10);
}

// Tasks and samples come before a checkpoint of their iteration, statistics with the step after it.
TEST(History, StatisticsOfAStepThatIsDoneAgainCountOnce) {
  const TempDir dir;
  const std::string text = line("start", 0) + line("task", 2) + line("sample", 2) +
                           line("checkpoint", 2) + line("stats", 2) + line("train", 2) +
                           line("resume", 2) + line("stats", 2) + line("train", 2);
  EXPECT_EQ(counted(dir, text), (List{"start 0", "task 2", "sample 2", "checkpoint 2", "resume 2",
                                      "stats 2", "train 2"}));
}

TEST(History, AnEarlierCheckpointTakesBackSeveralRestarts) {
  const TempDir dir;
  const std::string text = line("start", 0) + line("train", 0) + line("train", 5) +
                           line("resume", 4) + line("train", 4) + line("resume", 2) +
                           line("train", 2);
  EXPECT_EQ(counted(dir, text), (List{"start 0", "train 0", "resume 2", "train 2"}));
}

TEST(History, AStartFromScratchTakesBackAll) {
  const TempDir dir;
  EXPECT_EQ(counted(dir, line("start", 0) + line("eval", 0) + line("train", 0) + line("start", 0) +
                             line("eval", 0)),
            (List{"start 0", "eval 0"}));
}

TEST(History, ARestartThatIsNotInTheFileYetCountsToo) {
  const TempDir dir;
  const auto file =
      dir.write("metrics.jsonl", line("start", 0) + line("train", 0) + line("train", 1));
  MetricsEvent restart;
  restart.name = "resume";
  restart.iter = 1;
  List list;
  read_history(
      file, [&](const MetricsEvent& event) { list.push_back(event.name); }, &restart);
  EXPECT_EQ(list, (List{"start", "train"}));
}

TEST(History, BrokenLinesAreCountedAndPassedOver) {
  const TempDir dir;
  HistoryFacts facts;
  const std::string huge = R"({"event":"train","x":")" + std::string(2 << 20, 'y') + "\"}\n";
  const std::string deep = R"({"event":"a","x":)" + std::string(100000, '[') + "\n";
  EXPECT_EQ(counted(dir,
                    line("train", 0) + "no json\n[1]\n\n{}\n" + huge + deep +
                        "\"event\"\n7\n{\"event\":3}\n" + line("train", 1) + "{\"event\":\"train\"",
                    &facts),
            (List{"train 0", "train 1"}));
  EXPECT_EQ(facts.broken, 9);
}

TEST(History, ValuesOfEachKind) {
  MetricsEvent event;
  ASSERT_TRUE(parse_metrics_line(
      R"({"event":"x","time":1.5,"iter":7,"n":3,"v":0.5,"none":null,"yes":true,"s":"t",)"
      R"("list":[1,{"n":2}],"object":{"v":1},"big":18446744073709551615})",
      event));
  EXPECT_EQ(event.name, "x");
  EXPECT_EQ(event.time, 1.5);
  EXPECT_EQ(event.iter, 7);
  ASSERT_EQ(event.values.size(), 6u);
  EXPECT_EQ(std::get<std::int64_t>(event.values[0].second), 3);
  EXPECT_EQ(std::get<double>(event.values[1].second), 0.5);
  EXPECT_TRUE(std::isnan(std::get<double>(event.values[2].second)));
  EXPECT_EQ(std::get<std::int64_t>(event.values[3].second), 1);
  EXPECT_EQ(std::get<std::string>(event.values[4].second), "t");
  EXPECT_EQ(event.values[5].first, "big");
}

TEST(History, AFileThatIsNotThereIsTheUsersMistake) {
  EXPECT_THROW(read_history("/nowhere/metrics.jsonl", [](const MetricsEvent&) {}), InputError);
}

}  // namespace
}  // namespace gpt
