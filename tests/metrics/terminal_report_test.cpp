#include "gpt/metrics/terminal_report.h"

#include <sstream>

#include <gtest/gtest.h>

#include "gpt/base/terminal.h"

#include "support/temp_dir.h"

namespace gpt {
namespace {

RunData falling_run(const std::string& name) {
  RunData run;
  run.name = name;
  run.state = "running";
  run.last_iter = 100;
  Series batch(1000), val(1000);
  for (int i = 0; i <= 100; ++i) batch.add({i, 0, 4 - 0.02 * i});
  for (int i = 0; i <= 100; i += 50) val.add({i, 0, 4.5 - 0.02 * i});
  run.series.emplace("train/batch_loss", batch);
  run.series.emplace("val/loss", val);
  return run;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(TerminalReport, ACurveThatFallsFallsFromLeftToRight) {
  TerminalStyle style;
  style.braille = false;
  const auto lines = lines_of(terminal_report({falling_run("a")}, style));
  std::vector<std::size_t> places;
  std::string values;
  for (const std::string& line : lines) {
    EXPECT_LE(line.size(), style.width) << line;
    const auto bar = line.find('|');
    if (bar == std::string::npos) continue;
    values += line.substr(0, bar) + " ";
    if (line.find('.', bar) != std::string::npos) places.push_back(line.find('.', bar));
  }
  ASSERT_GT(places.size(), 5u);
  EXPECT_LT(places.front(), places.back());
  EXPECT_TRUE(std::is_sorted(places.begin(), places.end()));
  EXPECT_NE(values.find("4.5"), std::string::npos) << values;
  EXPECT_NE(values.find(" 2 "), std::string::npos) << values;
}

TEST(TerminalReport, TasksAndTheNewestSampleAreBelowTheCurves) {
  RunData run = falling_run("a");
  Series acc(1000);
  for (int i = 0; i <= 100; i += 50) acc.add({i, 0, 0.25 + 0.001 * i});
  run.series.emplace("eval/hellaswag/acc_norm", acc);
  run.samples = {{0, "ROMEO:", "noise"}, {100, "ROMEO:", " But\nsoft"}};
  const std::string text = terminal_report({run}, {});
  EXPECT_NE(text.find("hellaswag/acc_norm"), std::string::npos) << text;
  EXPECT_NE(text.find("0.35\n"), std::string::npos) << text;
  EXPECT_NE(text.find("sample at iter 100: ROMEO: But / soft"), std::string::npos) << text;
  EXPECT_EQ(text.find("noise"), std::string::npos) << text;
}

TEST(TerminalReport, FitsAnyTerminalAndMovesNoCursor) {
  RunData run = falling_run("evil\033[2Jname\n");
  run.state = "stopped by \033]0;title\a";
  Series acc(1000);
  acc.add({1, 0, 0.25});
  run.series.emplace("eval/a_very_long_name_of_a_task_in_a_folder/bits_per_byte", acc);
  run.samples = {{100, "\033[2J", std::string(500, 'x')}};
  for (const std::size_t width : {1u, 20u, 40u, 80u, 300u})
    for (const std::size_t height : {1u, 10u, 24u, 200u})
      for (const bool braille : {true, false}) {
        TerminalStyle style{width, height, /*colour=*/false, braille, /*logarithmic=*/true};
        const std::string text = terminal_report({run, falling_run("b")}, style);
        EXPECT_TRUE(is_utf8(text));
        EXPECT_EQ(text.find('\033'), std::string::npos);
        EXPECT_EQ(text.find('\a'), std::string::npos);
      }
}

TEST(TerminalReport, ARunWithoutALossSaysSo) {
  RunData run;
  run.name = "a";
  run.state = "running";
  const std::string text = terminal_report({run}, {});
  EXPECT_EQ(text.rfind("no loss yet\na: running", 0), 0u) << text;
}

TEST(TerminalReport, OnePointIsACurveToo) {
  RunData run = falling_run("a");
  Series one(10);
  one.add({0, 0, 3});
  run.series.clear();
  run.series.emplace("val/loss", one);
  TerminalStyle style;
  style.braille = false;
  EXPECT_NE(terminal_report({run}, style).find('o'), std::string::npos);
}

}  // namespace
}  // namespace gpt
