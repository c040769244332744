#include "gpt/train/chrome_trace.h"

#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gpt/base/files.h"
#include "gpt/device/thread_pool.h"

#include "support/temp_dir.h"
#include "support/tiny_run.h"

namespace gpt {
namespace {

using testing::TempDir;
using testing::tiny_config;
using testing::TinyRun;

const c10::Device kCpu(c10::kCPU);

// How often each name comes up, and on how many threads.
struct Seen {
  int count = 0;
  std::set<std::string> threads;
};
std::map<std::string, Seen> events(const fs::path& file) {
  std::map<std::string, Seen> seen;
  const auto trace = nlohmann::json::parse(read_file(file));
  for (const auto& event : trace.at("traceEvents")) {
    if (event.value("ph", "") != "X") continue;
    EXPECT_GE(event.at("dur").get<double>(), 0);
    Seen& name = seen[event.at("name").get<std::string>()];
    ++name.count;
    name.threads.insert(event.at("tid").dump());
  }
  return seen;
}

void iterate(int times) {
  ThreadPool pair(2);
  for (int i = 0; i < times; ++i) {
    const ProfileRange range("iteration");
    pair.run([](int) {
      const ProfileRange work("work");
      at::ones({8}).add_(1);
    });
  }
}

TEST(ChromeTrace, HoldsIterationsWithTheSpansAndOperatorsOfEveryThread) {
  const TempDir dir;
  const auto file = dir / "trace.json";
  {
    ChromeTrace trace(file, kCpu, 100);
    iterate(7);
    ASSERT_TRUE(fs::exists(file));  // before the run is over
    iterate(2);
  }
  auto seen = events(file);
  EXPECT_EQ(seen["iteration"].count, ChromeTrace::kTraced);
  EXPECT_EQ(seen["work"].count, 2 * ChromeTrace::kTraced);
  EXPECT_EQ(seen["work"].threads.size(), 2u);
  EXPECT_EQ(seen["aten::ones"].count, 2 * ChromeTrace::kTraced);
}

TEST(ChromeTrace, OfAShortRunHoldsAllAndOfAStoppedOneWhatWasThere) {
  const TempDir dir;
  {
    ChromeTrace trace(dir / "short.json", kCpu, 2);
    iterate(2);
  }
  EXPECT_EQ(events(dir / "short.json")["iteration"].count, 2);
  {
    ChromeTrace trace(dir / "stopped.json", kCpu, 100);
    iterate(5);
  }
  EXPECT_EQ(events(dir / "stopped.json")["iteration"].count, 2);
  {
    ChromeTrace trace(dir / "none.json", kCpu, 100);
    iterate(3);
  }
  EXPECT_FALSE(fs::exists(dir / "none.json"));
}

TEST(ChromeTrace, AFolderThatIsGoneCostsTheTraceOnly) {
  const TempDir dir;
  ChromeTrace trace(dir / "gone/trace.json", kCpu, 2);
  iterate(2);
  EXPECT_FALSE(fs::exists(dir / "gone"));
}

TEST(ChromeTrace, ChangesNothingOfARun) {
  const TempDir plain_dir, traced_dir;
  TrainConfig config = tiny_config(plain_dir);
  config.optimizer.max_iters = 12;
  TinyRun plain(config);
  plain.go();
  config = tiny_config(traced_dir);
  config.optimizer.max_iters = 12;
  TinyRun traced(config);
  {
    ChromeTrace trace(traced_dir / "trace.json", kCpu, 13);
    traced.go();
  }
  EXPECT_EQ(plain.checksum(), traced.checksum());
  auto seen = events(traced_dir / "trace.json");
  for (const char* name : {"iteration", "optimizer"})
    EXPECT_EQ(seen[name].count, ChromeTrace::kTraced) << name;
  for (const char* name : {"data", "forward", "head", "backward"})
    EXPECT_GE(seen[name].count, ChromeTrace::kTraced) << name;
}

}  // namespace
}  // namespace gpt
