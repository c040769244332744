// `gpttrain report`, and what a run leaves for it and for TensorBoard.
#include <regex>

#include <gtest/gtest.h>

#include "support/shell.h"

namespace gpt {
namespace {

using testing::Child;
using testing::Finished;
using testing::names_in;
using testing::prepare_tiny;
using testing::run;
using testing::shell;
using testing::TempDir;
using testing::tiny_training;

class ReportCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_.write("a/metrics.jsonl",
               "{\"event\":\"start\",\"time\":1,\"iter\":0}\n"
               "{\"event\":\"train\",\"time\":2,\"iter\":0,\"mean_loss\":3.5}\n");
    dir_.write("b/metrics.jsonl",
               "{\"event\":\"train\",\"time\":2,\"iter\":0,\"mean_loss\":3.5}\n");
  }
  void expect_refused(const std::vector<std::string>& arguments, const std::string& reason) {
    const Finished done = run(dir_, arguments);
    EXPECT_EQ(done.code, 2) << done.out;
    EXPECT_NE(done.err.find(reason), std::string::npos) << done.err;
  }
  TempDir dir_;
};

TEST_F(ReportCommand, APageIsWrittenBesideTheRunOrWhereItIsWanted) {
  const Finished one = run(dir_, {"report", "a"});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(one.out.find("wrote a/report.html ("), 0u) << one.out;
  EXPECT_NE(read_file(dir_ / "a/report.html").find("\"train/batch_loss\""), std::string::npos);
  EXPECT_EQ(run(dir_, {"report", "a", "b"}).code, 0);
  EXPECT_TRUE(present(dir_ / "report.html"));
  EXPECT_EQ(run(dir_, {"report", "a", "--out=x.html"}).code, 0);
  EXPECT_TRUE(present(dir_ / "x.html"));
}

TEST_F(ReportCommand, ATableAndATerminal) {
  EXPECT_EQ(run(dir_, {"report", "a", "b", "--csv"}).out,
            "wrote a/metrics.csv (2 rows)\nwrote b/metrics.csv (1 rows)\n");
  EXPECT_EQ(read_file(dir_ / "b/metrics.csv"), "event,time,iter,mean_loss\ntrain,2,0,3.5\n");
  const Finished drawn = run(dir_, {"report", "a", "--terminal"});
  EXPECT_EQ(drawn.code, 0) << drawn.err;
  EXPECT_NE(drawn.out.find("batch loss 3.5"), std::string::npos) << drawn.out;
  EXPECT_EQ(drawn.out.find('\033'), std::string::npos);
}

TEST_F(ReportCommand, WhatIsWrongIsSaid) {
  expect_refused({"report"}, "expected the out_dir of a run");
  expect_refused({"report", "none"}, "none: holds no metrics.jsonl");
  expect_refused({"report", "a", "--terminal", "--csv"}, "choose one");
  expect_refused({"report", "a", "--points=1"}, "points");
  dir_.write("c/metrics.jsonl", "");
  expect_refused({"report", "c"}, "holds no event of a run");
  EXPECT_EQ(run(dir_, {"report", "a", "--out=none/x.html"}).code, 1);
}

// What the page of --watch asks for: all, then only what is new.
TEST_F(ReportCommand, WatchServesWhatIsNew) {
  Child child(dir_, {"report", "a", "--watch", "--port=0"});
  ASSERT_TRUE(child.says("Ctrl-C ends it"));
  const std::string said = child.out_so_far();
  const std::string port = said.substr(17, said.find('/', 17) - 17);
  const auto get = [&](const std::string& path) {
    return shell(dir_, "exec 3<>/dev/tcp/127.0.0.1/" + port + "; printf 'GET " + path +
                           " HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n' >&3; cat <&3")
        .out;
  };
  EXPECT_NE(get("/").find("\"watched\":true"), std::string::npos);
  EXPECT_EQ(get("/data.json?since=1").find("HTTP/1.1 204"), 0u);
  EXPECT_EQ(get("/etc/passwd").find("HTTP/1.1 404"), 0u);
  dir_.write("a/metrics.jsonl", "{\"event\":\"train\",\"time\":2,\"iter\":7,\"mean_loss\":2.5}\n");
  std::string news;
  for (int i = 0; i < 100 && news.find("\"iter\":7") == std::string::npos; ++i) {
    usleep(20000);
    news = get("/data.json?since=1");
  }
  EXPECT_NE(news.find("\"iter\":7"), std::string::npos) << news;
  kill(child.pid(), SIGINT);
  EXPECT_EQ(child.wait().code, -SIGINT);
}

// What a terminal of 100 columns shows of a run: losses, speed, time to the next evaluation.
TEST(ProgressBar, ShowsLossesSpeedAndTimes) {
  const TempDir dir;
  prepare_tiny(dir);
  const std::string command = testing::words(tiny_training(
      {"--out_dir=out", "--max_iters=8000", "--eval_interval=4000", "--log_interval=10000"}));
  const Finished shown =
      shell(dir, "export TERM=xterm GPT; script -qec \"stty cols 100; " +
                     std::regex_replace(command, std::regex("\""), "") + "\" /dev/null </dev/null");
  EXPECT_EQ(shown.code, 0) << shown.err;
  EXPECT_TRUE(std::regex_search(
      shown.out, std::regex("train \\[[#.]+\\] +[0-9.]+%  [0-9hms]+ left  loss [0-9.]+  val "
                            "[0-9.]+  [0-9k.,M]+ tok/s  eval in [0-9]+s")))
      << shown.out;
}

TEST(RunForTensorboard, TheFolderMovesAsideWithTheRunAndIsLeftOutOnRequest) {
  const TempDir dir;
  prepare_tiny(dir);
  const std::vector<std::string> command = tiny_training({"--out_dir=out", "--max_iters=4"});
  ASSERT_EQ(run(dir, command).code, 0);
  const auto first = names_in(dir / "out/tb");
  ASSERT_EQ(first.size(), 1u);
  auto again = command;
  again.push_back("--overwrite=True");
  ASSERT_EQ(run(dir, again).code, 0);
  EXPECT_EQ(names_in(dir / "out/tb").size(), 1u);
  EXPECT_NE(names_in(dir / "out/tb"), first);
  for (const std::string& name : names_in(dir / "out")) {
    EXPECT_EQ(name.find("tb."), std::string::npos) << name;
    if (name.starts_with("replaced-")) {
      EXPECT_EQ(names_in(dir / "out" / name / "tb"), first);
    }
  }
  EXPECT_EQ(
      run(dir, tiny_training({"--out_dir=plain", "--max_iters=4", "--tensorboard=False"})).code, 0);
  EXPECT_FALSE(present(dir / "plain/tb"));
}

}  // namespace
}  // namespace gpt
