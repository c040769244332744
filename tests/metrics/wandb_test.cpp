#include "gpt/metrics/wandb.h"

#include <fstream>
#include <optional>
#include <span>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/checksum.h"
#include "gpt/base/files.h"
#include "gpt/base/sha256.h"

#include "support/environment.h"
#include "support/file_fault.h"
#include "support/python.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::Environment;
using testing::TempDir;

// A run of 3 iterations, as Report writes its events.
void write_run(WandbMetrics& metrics, const std::string& end = "end", int iterations = 3) {
  metrics.write("start", {{"iter", std::int64_t{0}}});
  metrics.write("eval", {{"iter", std::int64_t{0}}, {"train/loss", 4.25}, {"val/loss", 4.5}});
  for (std::int64_t i = 0; i < iterations; ++i)
    metrics.write("train", {{"iter", i},
                            {"loss", 9.0},
                            {"mean_loss", 4.0 - 0.5 * double(i)},
                            {"lr", 6e-4},
                            {"mfu", 1.5},
                            {"grad_norm", std::nan("")}});
  if (!end.empty()) metrics.write(end, {{"iter", std::int64_t{3}}, {"best_val_loss", 4.5}});
}

fs::path only_entry(const fs::path& folder, const std::string& start) {
  fs::path found;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().starts_with(start)) {
      EXPECT_TRUE(found.empty()) << entry.path();
      found = entry.path();
    }
  return found;
}

// The .wandb file of the one offline run below `dir`.
std::string offline_file(const TempDir& dir) {
  const fs::path run = only_entry(dir / "wandb", "offline-run-");
  return only_entry(run, "run-").string();
}

// The records of such a file; each chunk's checksum must be right.
std::vector<std::string> records_of(const std::string& path) {
  const std::string bytes = read_file(path);
  EXPECT_EQ(bytes.substr(0, 7), std::string(":W&B\xe1\xbe\0", 7));
  std::vector<std::string> records;
  std::string record;
  for (std::size_t at = 7; at + 7 <= bytes.size();) {
    if (32768 - at % 32768 < 7) {
      EXPECT_EQ(bytes.find_first_not_of('\0', at), at + (32768 - at % 32768));
      at += 32768 - at % 32768;
      continue;
    }
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes.at(at + i)); };
    const std::size_t length = byte(4) + 256u * byte(5);
    const std::uint32_t crc =
        byte(0) | byte(1) << 8u | byte(2) << 16u | static_cast<std::uint32_t>(byte(3)) << 24u;
    const std::string data = bytes.substr(at + 6, 1 + length);
    EXPECT_EQ(data.size(), 1 + length);
    EXPECT_EQ(crc, crc32(std::as_bytes(std::span(data))));
    if (byte(6) == 1 || byte(6) == 2) record.clear();
    record += data.substr(1);
    if (byte(6) == 1 || byte(6) == 4) records.push_back(record);
    at += 7 + length;
  }
  return records;
}

// What the package's own reader makes of it; nothing where it is not installed.
std::optional<nlohmann::json> inspected(const std::string& path, const std::string& flags) {
  const std::string python = testing::venv_python("extras");
  const fs::path wandb = fs::path(python).parent_path() / "wandb";
  if (python.empty() || !fs::exists(wandb)) return std::nullopt;
  const std::string out = fs::path(path).parent_path().string() + "/logs/inspected.json";
  const std::string command =
      "timeout 120 " + wandb.string() + " leet inspect --json " + flags + " " + path + " >" + out;
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  const std::string text = read_file(out);
  if (flags.empty()) {  // a record a line
    nlohmann::json list = nlohmann::json::array();
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) list.push_back(nlohmann::json::parse(line));
    return list;
  }
  return nlohmann::json::parse(text);
}

constexpr const char* kSkip =
    "the Python package wandb is not installed (scripts/setup --with-tests)";

class WandbOffline : public ::testing::Test {
 protected:
  TempDir dir_;
  Environment mode_{"WANDB_MODE", "offline"}, place_{"WANDB_DIR", dir_.path().string()};
};

TEST_F(WandbOffline, ThePackageReadsTheRun) {
  {
    WandbMetrics metrics;
    metrics.open({"owt", "gpt2-124M", R"({"n_layer": 4, "dataset": "x"})"});
    write_run(metrics);
  }
  EXPECT_EQ(records_of(offline_file(dir_)).size(), 7u);  // header, run, 3 steps, summary, exit
  const auto summary = inspected(offline_file(dir_), "--summary");
  if (!summary) GTEST_SKIP() << kSkip;
  EXPECT_EQ((*summary)["state"], "finished");
  EXPECT_EQ((*summary)["exit_code"], 0);
  EXPECT_EQ((*summary)["project"], "owt");
  EXPECT_EQ((*summary)["name"], "gpt2-124M");
  EXPECT_EQ((*summary)["config"].dump(), R"({"dataset":"x","n_layer":4})");
  EXPECT_EQ((*summary)["step"], 2);
  EXPECT_EQ((*summary)["summary"]["train/batch_loss"], 3.0);
  const auto records = inspected(offline_file(dir_), "");
  std::vector<nlohmann::json> steps;
  for (const auto& record : *records)
    if (record["type"] == "history") steps.push_back(record["history"]["item"]);
  ASSERT_EQ(steps.size(), 3u);
  for (const auto& [key, value] : std::map<std::string, double>{
           {"iter", 0}, {"train/loss", 4.25}, {"val/loss", 4.5}, {"lr", 6e-4}, {"mfu", 1.5}})
    EXPECT_EQ(steps[0][key].get<double>(), value) << key;
  EXPECT_EQ(steps[2]["_step"], 2);
  EXPECT_EQ(steps[1].count("val/loss"), 0u);
}

void write_samples(WandbMetrics& metrics) {
  for (const char* prompt : {"<To>", "be &"})
    metrics.write("sample", {{"iter", std::int64_t{1}},
                             {"prompt", std::string(prompt)},
                             {"text", std::string("or <b>not</b>\xff\n")}});
}

TEST_F(WandbOffline, SamplesAreAPageOfTheirStep) {
  {
    WandbMetrics metrics;
    metrics.open({"p", "n", "{}"});
    metrics.write("train", {{"iter", std::int64_t{0}}, {"lr", 1.0}});
    write_samples(metrics);
    metrics.write("train", {{"iter", std::int64_t{1}}, {"lr", 2.0}});
    metrics.write("train", {{"iter", std::int64_t{2}}, {"lr", 3.0}});
    metrics.write("end", {{"iter", std::int64_t{3}}});
  }
  const fs::path files = fs::path(offline_file(dir_)).parent_path() / "files";
  const fs::path page = only_entry(files / "media/html", "samples_1_");
  const std::string html = read_file(page);
  EXPECT_NE(html.find("<pre><b>&lt;To></b>or &lt;b>not&lt;/b>\xff\n</pre>\n<pre><b>be &amp;</b>"),
            std::string::npos)
      << html;
  const auto records = inspected(offline_file(dir_), "");
  if (!records) GTEST_SKIP() << kSkip;
  std::vector<nlohmann::json> steps, uploads;
  for (const auto& record : *records) {
    if (record["type"] == "history") steps.push_back(record["history"]["item"]);
    if (record["type"] == "files") uploads.push_back(record["files"]["files"]);
  }
  const std::string path = "media/html/" + page.filename().string();
  ASSERT_EQ(uploads.size(), 1u);
  EXPECT_EQ(uploads[0], nlohmann::json::parse(R"([{"path": ")" + path + R"("}])"));
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[1]["samples._type"], "html-file");
  EXPECT_EQ(steps[1]["samples.path"], path);
  EXPECT_EQ(steps[1]["samples.size"], html.size());
  EXPECT_EQ(steps[1]["samples.sha256"], sha256(html));
  EXPECT_EQ(steps[1]["lr"], 2.0);
  EXPECT_EQ(steps[2].count("samples._type"), 0u);
  const auto summary = inspected(offline_file(dir_), "--summary");
  EXPECT_NE(summary->dump().find(path), std::string::npos) << *summary;
}

TEST_F(WandbOffline, RecordsOfEverySizeFitTheBlocks) {
  ::testing::internal::CaptureStderr();  // it says where each run is
  for (std::size_t size = 32600; size < 32720; size += 1) {
    const TempDir dir;
    const Environment place("WANDB_DIR", dir.path().string());
    {
      WandbMetrics metrics;
      metrics.open({"p", "n", "{\"x\": \"" + std::string(size, 'y') + "\"}"});
      write_run(metrics);
    }
    ASSERT_EQ(records_of(offline_file(dir)).size(), 7u) << size;
  }
  WandbMetrics metrics;
  metrics.open({"p", "n", "{\"x\": \"" + std::string(200000, 'y') + "\"}"});
  ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(records_of(offline_file(dir_)).size(), 2u);
}

TEST_F(WandbOffline, ARunThatBreaksOffHasFailed) {
  {
    WandbMetrics metrics;
    metrics.open({"p", "n", "{}"});
    write_run(metrics, "");
  }
  const auto summary = inspected(offline_file(dir_), "--summary");
  if (!summary) GTEST_SKIP() << kSkip;
  EXPECT_EQ((*summary)["exit_code"], 1);
}

TEST_F(WandbOffline, AFullDiskIsOneWarning) {
  WandbMetrics metrics;
  metrics.open({"p", "n", "{}"});
  ::testing::internal::CaptureStderr();
  {
    const testing::FileFaultGuard full(testing::full_after(10));
    write_run(metrics);
  }
  write_run(metrics);
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("continues without W&B"), std::string::npos) << said;
  EXPECT_EQ(said.find("warning"), said.rfind("warning")) << said;
}

TEST_F(WandbOffline, DisabledRecordsNothing) {
  const Environment mode("WANDB_MODE", "disabled");
  {
    WandbMetrics metrics;
    metrics.open({"p", "n", "{}"});
    write_run(metrics);
  }
  EXPECT_FALSE(present(dir_ / "wandb"));
}

// A stand-in for the package writes down its calls, and fails as `begin` says.
class WandbLive : public ::testing::Test {
 protected:
  void stand_in(const std::string& begin, const std::string& log = "") {
    dir_.write("packages/wandb.py",
               "import json, sys, time\n"
               "def say(*what): print(*what, file=open('" +
                   (dir_ / "calls").string() +
                   "', 'a'))\n"
                   "def init(**about):\n"
                   "    say('init', json.dumps(about, sort_keys=True))\n" +
                   begin +
                   "\n"
                   "def log(values, step):\n" +
                   log +
                   "\n    say('log', step, json.dumps(values))\n"
                   "def finish(exit_code): say('finish', exit_code)\n");
  }
  std::string calls() const { return read_file(dir_ / "calls"); }

  TempDir dir_;
  Environment mode_{"WANDB_MODE", std::nullopt}, place_{"WANDB_DIR", dir_.path().string()},
      id_{"WANDB_RUN_ID", "abc"}, path_{"PYTHONPATH", (dir_ / "packages").string()};
};

TEST_F(WandbLive, ThePackageGetsWhatNanoGptLogs) {
  stand_in("    pass");
  {
    WandbMetrics metrics;
    metrics.open({"owt", "gpt2", R"({"n_layer": 4})"});
    write_run(metrics);
  }
  EXPECT_EQ(calls(), R"(init {"config": {"n_layer": 4}, "dir": ")" + dir_.path().string() +
                         R"(", "id": "abc", "name": "gpt2", "project": "owt"}
log 0 {"iter": 0.0, "lr": 0.0006, "mfu": 1.5, "train/batch_loss": 4.0, "train/grad_norm": NaN, "train/loss": 4.25, "val/loss": 4.5}
log 1 {"iter": 1.0, "lr": 0.0006, "mfu": 1.5, "train/batch_loss": 3.5, "train/grad_norm": NaN}
log 2 {"iter": 2.0, "lr": 0.0006, "mfu": 1.5, "train/batch_loss": 3.0, "train/grad_norm": NaN}
finish 0
)");
}

TEST_F(WandbLive, ThePackageGetsSamplesAsItsOwnType) {
  stand_in("    pass");
  dir_.write("packages/wandb.py", read_file(dir_ / "packages/wandb.py") +
                                      "def Html(page, inject): return ['Html', page, inject]\n");
  {
    WandbMetrics metrics;
    metrics.open({"owt", "gpt2", "{}"});
    write_samples(metrics);
    metrics.write("end", {{"iter", std::int64_t{3}}});
  }
  const std::string said = calls();
  EXPECT_NE(said.find(R"(log 1 {"iter": 1.0, "samples": ["Html", "<!doctype html>)"),
            std::string::npos)
      << said;
  EXPECT_NE(said.find(R"(&lt;/b>\ufffd\n</pre>\n<pre><b>be &amp;</b>)"), std::string::npos) << said;
}

TEST_F(WandbLive, WithoutAnAccountTheRunIsKept) {
  stand_in("    if about.get('mode') != 'offline': raise ValueError('no account')");
  {
    WandbMetrics metrics;
    metrics.open({"owt", "gpt2", "{}"});
    write_run(metrics, "");
  }
  EXPECT_NE(calls().find("\"mode\": \"offline\""), std::string::npos);
  EXPECT_NE(calls().find("finish 1"), std::string::npos);
  EXPECT_NE(read_file(dir_ / "wandb/gpttrain.log").find("no account"), std::string::npos);
}

TEST_F(WandbLive, AHelperThatDiesIsAWarning) {
  stand_in("    pass", "    sys.exit('no more')");
  ::testing::internal::CaptureStderr();
  {
    WandbMetrics metrics;
    metrics.open({"owt", "gpt2", "{}"});
    // Until the death is noticed; nothing waits for the helper.
    for (int i = 0; i < 200; ++i) {
      write_run(metrics, "", 50);
      usleep(10000);
    }
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("continues without W&B"), std::string::npos) << said;
}

TEST_F(WandbLive, AHelperThatFallsBehindHoldsUpNobody) {
  stand_in("    time.sleep(3)");
  ::testing::internal::CaptureStderr();
  {
    WandbMetrics metrics;
    metrics.open({"owt", "gpt2", "{}"});
    const auto begun = std::chrono::steady_clock::now();
    write_run(metrics, "", 60000);
    const auto time = std::chrono::steady_clock::now() - begun;
    EXPECT_LT(time, std::chrono::seconds(3));
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("falls behind"), std::string::npos) << said;
}

// The folder in which offline runs lie is called wandb and is no package.
TEST_F(WandbLive, AFolderOfThatNameIsNoPackage) {
  fs::create_directories(dir_ / "packages/wandb");
  {
    WandbMetrics metrics;
    metrics.open({"owt", "gpt2", "{}"});
    write_run(metrics);
  }
  EXPECT_EQ(records_of(offline_file(dir_)).size(), 7u);
}

}  // namespace
}  // namespace gpt
