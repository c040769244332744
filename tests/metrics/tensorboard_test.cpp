#include "gpt/metrics/tensorboard.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <span>
#include <unistd.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/checksum.h"
#include "gpt/base/files.h"
#include "gpt/metrics/jsonl.h"
#include "gpt/metrics/metrics_sinks.h"

#include "support/file_fault.h"
#include "support/python.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::FileFaultGuard;
using testing::full_after;
using testing::TempDir;

// A run's metrics as RunFolder writes them.
struct Metrics {
  explicit Metrics(const TempDir& dir, const std::string& config = "{}") {
    jsonl.open(dir / "metrics.jsonl");
    tensorboard.open(dir / "tb", dir / "metrics.jsonl", config);
    sinks.add(jsonl);
    sinks.add(tensorboard);
  }
  void train(std::int64_t iter, double loss) {
    sinks.write("train", {{"iter", iter},
                          {"loss", 9.0},
                          {"mean_loss", loss},
                          {"lr", 0.5},
                          {"mfu", 3.0},
                          {"grad_norm", 2.0},
                          {"tok_per_sec", 1e5},
                          {"memory_mib", 64.0}});
  }
  void eval(std::int64_t iter, double loss) {
    sinks.write(
        "eval",
        {{"iter", iter}, {"train/loss", loss}, {"val/loss", loss + 1}, {"best", std::int64_t{1}}});
  }
  JsonlMetrics jsonl;
  TensorboardMetrics tensorboard;
  MetricsSinks sinks;
};

// Those that hold something.
std::vector<fs::path> event_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (fs::file_size(entry.path()) > 0) files.push_back(entry.path());
  return files;
}

// What the tensorboard package reads; nothing where it is not installed.
std::optional<nlohmann::json> read_back(const fs::path& folder) {
  const std::string python = testing::venv_python("extras");
  if (python.empty() || std::system((python + " -c 'import tensorboard' 2>/dev/null").c_str()) != 0)
    return std::nullopt;
  const auto result = testing::run_python("env PYTHONWARNINGS=ignore " + python,
                                          "tests/metrics/read_tensorboard.py", {folder.string()});
  const auto brace = result.out.find("{\"scalars\"");
  EXPECT_EQ(result.code, 0) << result.out;
  if (brace == std::string::npos) return nlohmann::json();
  return nlohmann::json::parse(result.out.substr(brace));
}

std::vector<std::int64_t> steps_of(const nlohmann::json& found, const std::string& tag) {
  std::vector<std::int64_t> steps;
  for (const auto& point : found["scalars"][tag]) steps.push_back(point[0]);
  return steps;
}

using Steps = std::vector<std::int64_t>;
constexpr const char* kSkip =
    "the Python package tensorboard is not installed (scripts/setup --with-tests)";

TEST(Tensorboard, ReadsBackByTheNamesOfTheTable) {
  const TempDir dir;
  {
    Metrics metrics(dir, "{\"n_layer\": 4,\n \"x\": 1}");
    metrics.sinks.write("start", {{"iter", std::int64_t{0}}});
    metrics.eval(0, 4.0);
    metrics.train(0, 3.5);
    metrics.train(1, 3.25);
    metrics.sinks.write("sample",
                        {{"iter", std::int64_t{1}}, {"prompt", "To"}, {"text", "be\n or"}});
    metrics.sinks.write("task", {{"iter", std::int64_t{1}}, {"hellaswag/acc", 0.25}});
    metrics.sinks.write("stats", {{"iter", std::int64_t{1}}, {"grad_norm/h.0", 0.125}});
    metrics.sinks.write("replanned", {{"iter", std::int64_t{1}}, {"reason", "memory ran out"}});
  }
  const auto found = read_back(dir / "tb");
  if (!found) GTEST_SKIP() << kSkip;
  const auto& scalars = (*found)["scalars"];
  using Points = std::vector<std::pair<std::int64_t, double>>;
  EXPECT_EQ(scalars["train/batch_loss"].get<Points>(), (Points{{0, 3.5}, {1, 3.25}}));
  EXPECT_EQ(scalars["train/loss"].get<Points>(), (Points{{0, 4.0}}));
  EXPECT_EQ(scalars["val/loss"].get<Points>(), (Points{{0, 5.0}}));
  EXPECT_EQ(scalars["eval/hellaswag/acc"].get<Points>(), (Points{{1, 0.25}}));
  EXPECT_EQ(scalars["stats/grad_norm/h.0"].get<Points>(), (Points{{1, 0.125}}));
  for (const char* tag : {"lr", "mfu", "train/grad_norm", "train/tok_per_sec", "memory/memory_mib"})
    EXPECT_EQ(steps_of(*found, tag), (Steps{0, 1})) << tag;
  EXPECT_EQ(scalars.size(), 10u) << scalars.dump();
  const auto& texts = (*found)["texts"];
  EXPECT_EQ(texts["config"][0][1], "    {\"n_layer\": 4,\n     \"x\": 1}");
  EXPECT_EQ(texts["sample/To"][0], (nlohmann::json{1, "    be\n     or"}));
  EXPECT_EQ(texts["events/replanned"][0][1], "    memory ran out");
}

// Steps 2 and 3 were done after the checkpoint and are done again: neither is there twice.
TEST(Tensorboard, AResumedRunContinuesItsSeries) {
  const TempDir dir;
  {
    Metrics metrics(dir);
    metrics.sinks.write("start", {{"iter", std::int64_t{0}}});
    for (std::int64_t i = 0; i < 2; ++i) metrics.train(i, 10.0 + static_cast<double>(i));
    metrics.eval(2, 7.0);
    metrics.train(2, 99.0);
    metrics.train(3, 99.0);
  }
  {
    Metrics metrics(dir);
    metrics.sinks.write("resume", {{"iter", std::int64_t{2}}});
    metrics.eval(2, 7.0);
    for (std::int64_t i = 2; i < 5; ++i) metrics.train(i, 10.0 + static_cast<double>(i));
  }
  EXPECT_EQ(event_files(dir / "tb").size(), 1u);
  const auto found = read_back(dir / "tb");
  if (!found) GTEST_SKIP() << kSkip;
  EXPECT_EQ(steps_of(*found, "train/batch_loss"), (Steps{0, 1, 2, 3, 4}));
  EXPECT_EQ(steps_of(*found, "val/loss"), (Steps{2}));
  for (const auto& point : (*found)["scalars"]["train/batch_loss"])
    EXPECT_EQ(point[1].get<double>(), 10 + point[0].get<double>());
}

// A TensorBoard that is open all the while: it has read steps that the resumed run does again.
TEST(Tensorboard, OneThatLooksOnSeesTheResumedRunAlone) {
  const TempDir dir;
  std::optional<Metrics> metrics(std::in_place, dir);
  metrics->sinks.write("start", {{"iter", std::int64_t{0}}});
  for (std::int64_t i = 0; i < 4; ++i) metrics->train(i, 99.0);
  const std::string python = testing::venv_python("extras");
  if (python.empty() || !read_back(dir / "tb")) GTEST_SKIP() << kSkip;
  const auto shell = [&](const std::string& command) { return std::system(command.c_str()); };
  ASSERT_EQ(shell("cd " + dir.path().string() + " && mkfifo ask && (PYTHONWARNINGS=ignore " +
                  python + " -B " + GPT_SOURCE_DIR +
                  "/tests/metrics/read_tensorboard.py tb <ask >answers " + "2>errors &)"),
            0);
  std::ofstream ask(dir / "ask");
  const auto answers = [&](std::ptrdiff_t count) {
    for (int i = 0; i < 6000; ++i) {
      const std::string text = present(dir / "answers") ? read_file(dir / "answers") : "";
      if (std::count(text.begin(), text.end(), '\n') >= count) return text;
      usleep(10000);
    }
    return std::string();
  };
  EXPECT_EQ(steps_of(nlohmann::json::parse(answers(1)), "train/batch_loss"), (Steps{0, 1, 2, 3}));
  metrics.emplace(dir);
  metrics->sinks.write("resume", {{"iter", std::int64_t{2}}});
  metrics->train(2, 12.0);
  ask << "again\n" << std::flush;
  const std::string both = answers(2);
  const auto now = nlohmann::json::parse(both.substr(both.find('\n')));
  EXPECT_EQ(now["scalars"]["train/batch_loss"].dump(), "[[0,99.0],[1,99.0],[2,12.0]]");
}

TEST(Tensorboard, ANewRunHasNothingOfTheOneBefore) {
  const TempDir dir;
  for (const double loss : {1.0, 2.0}) {
    Metrics metrics(dir);
    metrics.sinks.write("start", {{"iter", std::int64_t{0}}});
    metrics.train(0, loss);
  }
  const auto found = read_back(dir / "tb");
  if (!found) GTEST_SKIP() << kSkip;
  EXPECT_EQ((*found)["scalars"]["train/batch_loss"].dump(), "[[0,2.0]]");
}

TEST(Tensorboard, FilesOfOthersStay) {
  const TempDir dir;
  fs::create_directories(dir / "tb");
  const auto other = dir.write("tb/events.out.tfevents.1.host.1", "x");
  const auto notes = dir.write("tb/notes.gpttrain", "x");
  const auto old = dir.write("tb/events.out.tfevents.1.host.1.0.gpttrain", "x");
  Metrics metrics(dir);
  metrics.sinks.write("start", {{"iter", std::int64_t{0}}});
  EXPECT_TRUE(present(other) && present(notes));
  EXPECT_EQ(fs::file_size(other) + fs::file_size(notes), 2u);
  EXPECT_EQ(fs::file_size(old), 0u);
  Metrics again(dir);
  again.sinks.write("start", {{"iter", std::int64_t{0}}});
  EXPECT_FALSE(present(old));
}

// A full disk, of which half a record may or may not be removed.
TEST(Tensorboard, AFullDiskTearsNoRecordAndLosesNone) {
  for (const bool truncates : {true, false}) {
    const TempDir dir;
    ::testing::internal::CaptureStderr();
    {
      Metrics metrics(dir);
      metrics.sinks.write("start", {{"iter", std::int64_t{0}}});
      metrics.train(0, 1);
      {
        const FileFaultGuard full(full_after(20, truncates));
        metrics.train(1, 1);
        metrics.train(2, 1);
      }
      metrics.train(3, 1);
    }
    const std::string said = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find("TensorBoard shows is written later"), std::string::npos) << said;
    const auto found = read_back(dir / "tb");
    if (!found) GTEST_SKIP() << kSkip;
    EXPECT_EQ(steps_of(*found, "train/batch_loss"), (Steps{0, 1, 2, 3})) << truncates;
  }
}

TEST(Tensorboard, AFolderThatCannotBeMadeIsOneWarning) {
  const TempDir dir;
  dir.write("tb", "a file");
  ::testing::internal::CaptureStderr();
  {
    Metrics metrics(dir);
    metrics.sinks.write("start", {{"iter", std::int64_t{0}}});
    for (int i = 0; i < 3; ++i) metrics.train(i, 1);
  }
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("tensorboard=False leaves it out"), std::string::npos) << said;
  EXPECT_EQ(said.find("warning"), said.rfind("warning")) << said;
}

std::uint32_t number_at(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[at + i])) << 8 * i;
  return value;
}

std::uint32_t masked(const std::string& bytes) {
  const std::uint32_t crc = crc32c(std::as_bytes(std::span(bytes)));
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

// The framing, without the package: a length, its checksum, the data, its checksum (TensorFlow's
// record_writer.py).
TEST(Tensorboard, RecordsAreFramedAsTfRecords) {
  const TempDir dir;
  Metrics metrics(dir);
  metrics.sinks.write("start", {{"iter", std::int64_t{0}}});
  const std::string bytes = read_file(event_files(dir / "tb").at(0));
  ASSERT_GT(bytes.size(), 30u);
  const auto length = static_cast<std::size_t>(static_cast<unsigned char>(bytes[0]));
  EXPECT_EQ(bytes.substr(1, 7), std::string(7, '\0'));
  EXPECT_EQ(bytes.substr(12 + 9 + 2, 13), "brain.Event:2");
  ASSERT_GT(bytes.size(), 12 + length + 4);
  EXPECT_EQ(number_at(bytes, 8), masked(bytes.substr(0, 8)));
  EXPECT_EQ(number_at(bytes, 12 + length), masked(bytes.substr(12, length)));
}

}  // namespace
}  // namespace gpt
