#include "gpt/metrics/run_data.h"

#include <gtest/gtest.h>

#include "gpt/base/error.h"

#include "metrics/log_marks.h"
#include "support/error_text.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::error_text;
using testing::TempDir;

TEST(RunData, HoldsWhatTheFilesOfARunSay) {
  const TempDir dir;
  dir.write("config.json", R"({"batch_size": 4, "block_size": 8, "gradient_accumulation_steps": 2,
    "max_iters": 10, "dtype": "float32"})");
  dir.write(
      "metrics.jsonl",
      R"({"event":"start","time":1000,"iter":0})"
      "\n"
      R"j({"event":"config","time":1000,"dtype":"float32 (this CPU)"})j"
      "\n"
      R"({"event":"eval","time":1010,"iter":0,"train/loss":4,"val/loss":5,"best":1})"
      "\n"
      R"({"event":"train","time":1018,"iter":0,"loss":4,"mean_loss":4.5,"grad_norm":null})"
      "\n"
      R"({"event":"train","time":1018,"iter":1,"loss":4,"mean_loss":4.5,"grad_norm":null})"
      "\n"
      R"({"event":"stop","time":1036,"iter":2,"reason":"SIGTERM"})"
      "\n"
      R"({"event":"resume","time":9000,"iter":2})"
      "\n"
      R"({"event":"sample","time":9001,"iter":2,"prompt":"To","text":"To be"})"
      "\n"
      R"({"event":"memory","time":9001,"iter":2,"of":"training","predicted_mib":8.0,"measured_mib":9.5})"
      "\n"
      R"({"event":"train","time":9036,"iter":2,"loss":4,"mean_loss":3.5})"
      "\nbroken\n");
  dir.write("train.log",
            "1970-01-01 01:16:57.000 +01:00 warning the disk is nearly full\n"
            "1970-01-01 01:16:58.000 +01:00 info    nothing\n");
  const RunData run = read_run(dir.path(), 100);
  EXPECT_EQ(run.tokens_per_iteration(), 64);
  EXPECT_EQ(run.option("max_iters", 0), 10);
  EXPECT_EQ(run.option("dtype", -1), -1);
  EXPECT_EQ(run.last_iter, 2);
  EXPECT_EQ(run.broken_lines, 1);
  EXPECT_EQ(run.state, "broken off");
  EXPECT_NEAR(run.hours, (36 + 36) / 3600.0, 1e-9);  // the pause does not count
  EXPECT_EQ(run.changes.at(0).second, "float32 (this CPU)");
  EXPECT_EQ(run.samples.at(0).text, "To be");
  EXPECT_EQ(run.memory.at(0).measured_mib, 9.5);
  EXPECT_EQ(run.series.at("train/batch_loss").count(), 3);
  EXPECT_EQ(run.series.at("train/batch_loss").last().value, 3.5);
  EXPECT_EQ(run.series.count("train/grad_norm"), 0u);
  std::string marks;
  for (const RunMark& mark : run.marks)
    marks += mark.kind + " " + std::to_string(mark.iter) + " " + std::to_string(mark.times) + " " +
             mark.text + "; ";
  EXPECT_EQ(marks,
            "start 0 1 ; warning 0 1 the disk is nearly full; not finite 0 2 train/grad_norm; "
            "stop 2 1 SIGTERM; resume 2 1 ; ");
}

TEST(RunData, TheLastEventSaysHowARunStands) {
  const TempDir dir;
  const std::string start = "{\"event\":\"start\",\"time\":1000,\"iter\":0}\n";
  for (const auto& [event, state] : std::vector<std::pair<std::string, std::string>>{
           {R"({"event":"end","time":1001,"iter":1,"best_val_loss":1})", "done"},
           {R"({"event":"stop","time":1001,"iter":1,"reason":"SIGINT"})", "stopped by SIGINT"},
           {R"({"event":"train","time":1001,"iter":1})", "broken off"},
           {R"({"event":"train","time":99999999999,"iter":1})", "running"}}) {
    dir.write("metrics.jsonl", start + event + "\n");
    EXPECT_EQ(read_run(dir.path(), 100).state, state);
  }
}

TEST(RunData, SaysWhatIsMissing) {
  const TempDir dir;
  EXPECT_NE(error_text<InputError>([&] { read_run(dir / "none", 100); }).find("no metrics.jsonl"),
            std::string::npos);
  dir.write("metrics.jsonl", "no\njson\n");
  EXPECT_NE(error_text<InputError>([&] { read_run(dir.path(), 100); }).find("no event of a run"),
            std::string::npos);
}

TEST(RunData, WhatAFileMayAskForIsBounded) {
  const TempDir dir;
  std::string text;
  for (int i = 0; i < 20000; ++i)
    text += R"({"event":"stats","time":1,"iter":1,"k)" + std::to_string(i) +
            R"(":1})"
            "\n"
            R"({"event":"replanned","time":1,"iter":1,"reason":")" +
            std::to_string(i) + "\"}\n";
  dir.write("metrics.jsonl", text);
  const RunData run = read_run(dir.path(), 100);
  EXPECT_EQ(run.series.size(), 3000u);
  EXPECT_EQ(run.marks.size(), 1000u);
}

// Spikes stay.
TEST(RunData, StatisticsByLayerHaveThePointsOfAMap) {
  const TempDir dir;
  std::string text = "{\"event\":\"start\",\"time\":1,\"iter\":0}\n";
  for (int i = 0; i < 5000; ++i)
    text += "{\"event\":\"stats\",\"time\":1,\"iter\":" + std::to_string(i) +
            ",\"grad_norm/h.0\":" + (i == 3333 ? "9" : "1") + ",\"noise_scale_tokens\":2}\n";
  dir.write("run/metrics.jsonl", text);
  const RunData run = read_run(dir / "run", 20000);
  EXPECT_LE(run.series.at("stats/grad_norm/h.0").buckets().size(), 1000u);
  EXPECT_TRUE(run.series.at("stats/noise_scale_tokens").exact());
  double highest = 0;
  for (const Series::Bucket& bucket : run.series.at("stats/grad_norm/h.0").buckets())
    highest = std::max(highest, bucket.high.value);
  EXPECT_EQ(highest, 9);
}

TEST(RunData, RunsAreNamedByWhatTellsThemApart) {
  std::vector<RunData> runs(4);
  runs[0].folder = "/x/a/out";
  runs[1].folder = "/x/b/out/";
  runs[2].folder = "/x/c";
  runs[3].folder = "/x/c";
  name_runs(runs);
  EXPECT_EQ(runs[0].name, "a/out");
  EXPECT_EQ(runs[1].name, "b/out");
  EXPECT_EQ(runs[2].name, "x/c");  // twice the same: nothing tells them apart
  std::vector<RunData> one(1);
  one[0].folder = "runs/out";
  name_runs(one);
  EXPECT_EQ(one[0].name, "out");
}

TEST(LogMarks, TimesOfLines) {
  std::size_t at = 0;
  EXPECT_DOUBLE_EQ(log_time("1970-01-02 00:00:01.500 +01:00 warning x", at), 86400 - 3600 + 1.5);
  EXPECT_EQ(at, 31u);
  EXPECT_DOUBLE_EQ(log_time("1970-01-02 00:00:00.000 -05:30 error   x", at), 86400 + 5.5 * 3600);
  for (const char* line :
       {"", "warning: x", "1970-01-02 00:00:01", "1970-01-02 00:00:01.500 x01:00 w"})
    EXPECT_EQ(log_time(line, at), 0) << line;
}

}  // namespace
}  // namespace gpt
