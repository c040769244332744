#include "gpt/metrics/html_report.h"

#include <cstdlib>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/files.h"

#include "support/python.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::TempDir;

// A run of `iterations`, logged at each, with one spike; `seed` makes it another.
void write_run(const TempDir& dir, const std::string& name, int iterations, int seed) {
  std::string text = "{\"event\":\"start\",\"time\":1000,\"iter\":0}\n";
  for (int i = 0; i < iterations; ++i) {
    const double noise = ((i * 7919 + seed) % 101) / 1000.0;
    const double loss = 4.0 / (1 + 8.0 * i / iterations) + noise + (i == iterations / 2 ? 50 : 0);
    const std::string at =
        ",\"time\":" + std::to_string(1001 + i / 4) + ",\"iter\":" + std::to_string(i);
    if (i % (iterations / 5) == 0)
      text += "{\"event\":\"eval\"" + at + ",\"train/loss\":" + std::to_string(loss) +
              ",\"val/loss\":" + std::to_string(loss + 0.1) + "}\n";
    if (i == iterations / 4) text += "{\"event\":\"resume\"" + at + "}\n";
    if (i == iterations / 3)
      text += "{\"event\":\"replanned\"" + at + ",\"reason\":\"</script><b>memory\"}\n";
    if (i % (iterations / 10) == 0)
      text += "{\"event\":\"stats\"" + at +
              ",\"grad_norm/h.0\":0.5,\"grad_norm/h.1\":" + std::to_string(loss) +
              "}\n{\"event\":\"sample\"" + at + ",\"prompt\":\"To\",\"text\":\"To <i>be</i>\"}\n";
    text += "{\"event\":\"train\"" + at + ",\"loss\":1,\"mean_loss\":" + std::to_string(loss) +
            ",\"lr\":0.001,\"grad_norm\":1,\"tok_per_sec\":40000,\"mfu\":30,\"memory_mib\":100,"
            "\"peak_memory_mib\":200}\n";
  }
  text +=
      "{\"event\":\"memory\",\"time\":9000,\"iter\":1,\"of\":\"training\",\"predicted_mib\":190.5,"
      "\"measured_mib\":200.5}\n";
  dir.write(name + "/metrics.jsonl", text);
  dir.write(name + "/config.json", "{\"batch_size\": 2, \"block_size\": 8, \"learning_rate\": 0." +
                                       std::to_string(seed) + ", \"max_iters\": 9}");
}

std::vector<RunData> runs_of(const TempDir& dir, const std::vector<std::string>& names,
                             std::size_t points) {
  std::vector<RunData> runs;
  for (const std::string& name : names) runs.push_back(read_run(dir / name, points));
  name_runs(runs);
  return runs;
}

TEST(HtmlReport, ItsDataIsJsonThatKeepsTheSpike) {
  const TempDir dir;
  write_run(dir, "a", 5000, 1);
  const auto data = nlohmann::json::parse(report_json(runs_of(dir, {"a"}, 1000), false, 0));
  const auto& loss = data["runs"][0]["series"]["train/batch_loss"];
  EXPECT_LE(loss["x"].size(), 1000u);
  EXPECT_GT(loss["x"].size(), 400u);
  for (const char* list : {"t", "y", "m"}) EXPECT_EQ(loss[list].size(), loss["x"].size()) << list;
  double highest = 0;
  for (std::size_t i = 0; i < loss["y"].size(); ++i) {
    highest = std::max(highest, loss["y"][i].get<double>());
    if (i > 0) {
      EXPECT_GT(loss["x"][i].get<int>(), loss["x"][i - 1].get<int>());
    }
  }
  EXPECT_GT(highest, 50);
  const auto few = nlohmann::json::parse(report_json(runs_of(dir, {"a"}, 100000), false, 0));
  EXPECT_EQ(few["runs"][0]["series"]["train/batch_loss"]["x"].size(), 5000u);
  EXPECT_FALSE(few["runs"][0]["series"]["train/batch_loss"].contains("m"));
}

// In the page they share them; report_page.py looks at what is drawn of them.
TEST(HtmlReport, SeriesOfOneEventHaveTheirIterationsOnce) {
  const TempDir dir;
  write_run(dir, "a", 100, 1);
  const auto data = nlohmann::json::parse(report_json(runs_of(dir, {"a"}, 1000), false, 0));
  const auto& series = data["runs"][0]["series"];
  EXPECT_EQ(series["stats/grad_norm/h.1"]["like"], "stats/grad_norm/h.0");
  EXPECT_FALSE(series["stats/grad_norm/h.1"].contains("x"));
  EXPECT_EQ(series["stats/grad_norm/h.1"]["y"].size(), 10u);
  EXPECT_EQ(series["stats/grad_norm/h.0"]["x"].size(), 10u);
  EXPECT_FALSE(series["train/loss"].contains("like"));  // of evaluations
}

TEST(HtmlReport, ThePageIsWholeAndAsksNobody) {
  const TempDir dir;
  write_run(dir, "a", 100, 1);
  const std::string page = report_page(report_json(runs_of(dir, {"a"}, 1000), false, 0));
  for (const char* absent : {"@@", "http://", "https://", "src=", "@import", "</script><b>"})
    EXPECT_EQ(page.find(absent), std::string::npos) << absent;
  EXPECT_NE(page.find("\\u003c/script>\\u003cb>memory"), std::string::npos);
}

// What a person does with it, in a browser; report_page.py says what it looks at.
TEST(HtmlReport, WorksInABrowser) {
  const TempDir dir;
  write_run(dir, "a", 2000, 1);
  write_run(dir, "b", 1000, 2);
  write_run(dir, "long", 600000, 1);
  const auto one =
      dir.write("one.html", report_page(report_json(runs_of(dir, {"a"}, 10000), false, 0)));
  const auto two =
      dir.write("two.html", report_page(report_json(runs_of(dir, {"a", "b"}, 10000), false, 0)));
  const auto large =
      dir.write("large.html", report_page(report_json(runs_of(dir, {"long"}, 10000), false, 0)));
  const char* keep = std::getenv("GPTTRAIN_SCREENSHOTS");  // a folder
  const auto result =
      testing::run_python("python3", "tests/metrics/report_page.py",
                          {one.string(), two.string(), large.string(), keep ? keep : ""});
  if (result.code == 77) GTEST_SKIP() << result.out;
  EXPECT_EQ(result.code, 0) << result.out;
}

}  // namespace
}  // namespace gpt
