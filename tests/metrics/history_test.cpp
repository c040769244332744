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

// As the program writes them, and as another one may: spaces, escapes, other texts, large numbers.
// Both ways of reading give the same.
TEST(History, ALineIsReadAsJsonHoweverItIsWritten) {
  const auto read = [](const std::string& text) -> std::string {
    MetricsEvent event;
    if (!parse_metrics_line(text, event)) return "none";
    std::string all =
        event.name + " " + std::to_string(event.iter) + " " + std::to_string(event.time);
    for (const auto& [key, value] : event.values) {
      all += " " + key + "=" + std::to_string(value.index()) + ":";
      if (const auto* real = std::get_if<double>(&value)) all += std::to_string(*real);
      if (const auto* whole = std::get_if<std::int64_t>(&value)) all += std::to_string(*whole);
      if (const auto* words = std::get_if<std::string>(&value)) all += *words;
    }
    return all;
  };
  for (const char* value : {"1",
                            "-1",
                            "0",
                            "-0",
                            "1.5",
                            "-0.25",
                            "1e3",
                            "1E-2",
                            "1.5e+2",
                            "true",
                            "false",
                            "null",
                            R"("text")",
                            R"("")",
                            R"("a\"b\n")",
                            "\"\xc3\xa9\"",
                            "\"\xff\"",
                            "9223372036854775807",
                            "9223372036854775808",
                            "18446744073709551616",
                            "1e308",
                            "1e-400",
                            "[1,2]",
                            R"({"a":1})"}) {
    const std::string plain = std::string(R"({"event":"x","time":2.5,"iter":3,"v":)") + value + "}";
    const std::string spaced =
        std::string(R"( { "event" : "x", "time" : 2.5, "iter" : 3, "v" : )") + value + " } ";
    EXPECT_EQ(read(plain), read(spaced)) << value;
  }
  for (const char* broken : {"01", "+1", "1.", ".5", "1e", "1e+", "--1", "1 2", "nul", "tru", "NaN",
                             "1e999", "\"a", "\"a\nb\"", "", "1,", "1}"})
    EXPECT_EQ(read(std::string(R"({"event":"x","v":)") + broken + "}"), "none") << broken;
  EXPECT_EQ(read("{}"), "none");
  EXPECT_EQ(read(R"({"iter":1})"), "none");
  EXPECT_EQ(read(R"({"event":"x","iter":-5,"v":1.5})"), "x -1 0.000000 v=0:1.500000");
}

TEST(History, AFileThatIsNotThereIsTheUsersMistake) {
  EXPECT_THROW(read_history("/nowhere/metrics.jsonl", [](const MetricsEvent&) {}), InputError);
}

}  // namespace
}  // namespace gpt
