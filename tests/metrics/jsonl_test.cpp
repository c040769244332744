#include "gpt/metrics/jsonl.h"

#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/files.h"

#include "support/file_fault.h"
#include "support/temp_dir.h"

namespace gpt {
namespace {

using testing::FileFaultGuard;
using testing::full_after;
using testing::TempDir;

// The "n" of every line, all of which must be whole.
std::vector<std::int64_t> numbers(const fs::path& file) {
  std::vector<std::int64_t> list;
  std::istringstream lines(read_file(file));
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    EXPECT_FALSE(json.is_discarded()) << line;
    if (json.is_object()) list.push_back(json.at("n"));
  }
  return list;
}

std::vector<std::int64_t> up_to(std::int64_t last) {
  std::vector<std::int64_t> list;
  for (std::int64_t n = 1; n <= last; ++n) list.push_back(n);
  return list;
}

TEST(JsonlMetrics, AFullDiskTearsNoLineAndLosesNone) {
  for (const bool truncates : {true, false}) {
    const TempDir dir;
    const fs::path file = dir / "metrics.jsonl";
    JsonlMetrics metrics(file);
    metrics.write("x", {{"n", std::int64_t{1}}});
    {
      const FileFaultGuard full(full_after(10, truncates));
      metrics.write("x", {{"n", std::int64_t{2}}});
      metrics.write("x", {{"n", std::int64_t{3}}});
      if (truncates) {
        EXPECT_EQ(numbers(file), up_to(1));
      }
    }
    metrics.write("x", {{"n", std::int64_t{4}}});
    metrics.write("x", {{"n", std::int64_t{5}}});
    if (truncates) {
      EXPECT_EQ(numbers(file), up_to(5));
      continue;
    }
    // What could not be cut off has a line for itself.
    std::istringstream lines(read_file(file));
    int torn = 0, whole = 0;
    for (std::string line; std::getline(lines, line);)
      (nlohmann::json::accept(line) ? whole : torn)++;
    EXPECT_EQ(whole, 5);
    EXPECT_EQ(torn, 1);
  }
}

TEST(JsonlMetrics, ALineThatWasTornBeforeIsCutOff) {
  const TempDir dir;
  for (const std::size_t torn : {1u, 30u, 10000u}) {
    const fs::path file =
        dir.write("metrics.jsonl", "{\"n\":1}\n{\"n\":2}\n{\"x\":\"" + std::string(torn, 'y'));
    JsonlMetrics(file).write("x", {{"n", std::int64_t{3}}});
    EXPECT_EQ(numbers(file), up_to(3));
  }
  const fs::path file = dir.write("metrics.jsonl", "{\"n\"");
  JsonlMetrics(file).write("x", {{"n", std::int64_t{1}}});
  EXPECT_EQ(numbers(file), up_to(1));
}

TEST(JsonlMetrics, AWholeLineWithoutItsNewlineStays) {
  const TempDir dir;
  const fs::path file = dir.write("metrics.jsonl", "{\"n\":1}\n{\"n\":2}");
  JsonlMetrics(file).write("x", {{"n", std::int64_t{3}}});
  EXPECT_EQ(numbers(file), up_to(3));
}

TEST(JsonlMetrics, WhatWaitsForAFullDiskIsWrittenOnceItHasSpace) {
  const TempDir dir;
  const fs::path file = dir / "metrics.jsonl";
  JsonlMetrics metrics;
  metrics.write("x", {{"n", std::int64_t{1}}});
  ::testing::internal::CaptureStderr();
  {
    const FileFaultGuard full(full_after(0));
    metrics.open(file);
  }
  metrics.write("x", {{"n", std::int64_t{2}}});
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(numbers(file), up_to(2));
  EXPECT_NE(said.find("No space left on device; training continues"), std::string::npos) << said;
  EXPECT_NE(said.find("written again; no line was lost"), std::string::npos) << said;
}

TEST(JsonlMetrics, WhatWaitsIsBounded) {
  const TempDir dir;
  const fs::path file = dir / "metrics.jsonl";
  JsonlMetrics metrics(file);
  const std::string filler(1000, 'z');
  {
    const FileFaultGuard full(full_after(0, true));
    for (std::int64_t n = 1; n <= 3000; ++n) metrics.write("x", {{"n", n}, {"z", filler}});
  }
  metrics.write("x", {{"n", std::int64_t{3001}}});
  const auto list = numbers(file);
  EXPECT_GT(list.size(), 900u);
  EXPECT_LT(fs::file_size(file), std::uintmax_t{1} << 20);
  EXPECT_EQ(list.back(), 3001);
  for (std::size_t i = 1; i < list.size(); ++i) EXPECT_EQ(list[i], list[i - 1] + 1);
}

}  // namespace
}  // namespace gpt
