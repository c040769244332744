// `gpttrain bench` from outside, and what it says of times that are known.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "app/bench_report.h"
#include "app/synthetic_data.h"
#include "support/child.h"
#include "support/environment.h"

namespace gpt {
namespace {

using testing::Finished;
using testing::run;
using testing::TempDir;

std::vector<std::string> tiny_bench(const std::vector<std::string>& more) {
  std::vector<std::string> arguments{
      "bench",          "--device=cpu",    "--n_layer=2",       "--n_head=2",
      "--n_embd=32",    "--block_size=16", "--threads=1",       "--vocab_size=70",
      "--batch_size=4", "--timed_iters=6", "--untimed_iters=1", "--gradient_accumulation_steps=2"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(Bench, NeedsNoDataAndLeavesNothing) {
  const TempDir dir;
  const Finished done = run(dir, tiny_bench({"--json"}));
  ASSERT_EQ(done.code, 0) << done.err;
  const auto json = nlohmann::json::parse(done.out);
  EXPECT_EQ(json.at("iterations_ms").size(), 6u);
  EXPECT_EQ(json.at("tokens_per_iteration"), 4 * 2 * 16);
  EXPECT_EQ(json.at("config").at("vocab_size"), 70);
  for (const char* name : {"data", "forward", "head", "backward", "optimizer", "other"})
    EXPECT_GE(json.at("phases").at(name).at("median_ms").get<double>(), 0) << name;
  for (const char* name : {"min_ms", "tokens_per_second", "gemm_flops_per_second", "setup_ms",
                           "first_step_ms", "peak_tensor_bytes", "peak_process_bytes"})
    EXPECT_GT(json.at(name).get<double>(), 0) << name;
  // The plan's promise holds here, too.
  EXPECT_NEAR(
      json.at("peak_tensor_bytes").get<double>() / json.at("planned_tensor_bytes").get<double>(), 1,
      0.03);
  EXPECT_FALSE(fs::exists(dir / "out"));

  const Finished table = run(dir, tiny_bench({}));
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_NE(table.out.find("tokens/s"), std::string::npos) << table.out;
  EXPECT_FALSE(fs::exists(dir / "out"));
}

// Waits until it does, for two minutes.
bool maps_a_removed_file(pid_t process) {
  for (int i = 0; i < 12000; ++i) {
    const std::string maps = read_file("/proc/" + std::to_string(process) + "/maps");
    if (maps.find("train.bin (deleted)") != std::string::npos) return true;
    usleep(10000);
  }
  return false;
}

TEST(Bench, StoppedAtAnyTimeLeavesNothingAmongTheTemporaryFiles) {
  const TempDir dir;
  const fs::path temporary = dir / "temporary";
  fs::create_directory(temporary);
  const testing::Environment place("TMPDIR", temporary.string());
  for (const int signal : {SIGTERM, SIGINT, SIGKILL}) {
    const testing::Child bench(dir, tiny_bench({"--timed_iters=1000000"}));
    ASSERT_TRUE(bench.says("gpttrain ", true));
    // Stop signals wait as long as there is a folder; a kill, which cannot, comes after that.
    EXPECT_TRUE(signal != SIGKILL || maps_a_removed_file(bench.pid()));
    kill(bench.pid(), signal);
    EXPECT_EQ(bench.wait().code, -signal);
    EXPECT_TRUE(fs::is_empty(temporary)) << fs::directory_iterator(temporary)->path();
  }
}

TEST(Bench, BadInputIsAnErrorOfItsOwn) {
  const TempDir dir;
  const Finished few = run(dir, tiny_bench({"--timed_iters=0"}));
  EXPECT_EQ(few.code, 2);
  EXPECT_NE(few.err.find("timed_iters"), std::string::npos) << few.err;
  const Finished unknown = run(dir, tiny_bench({"--timed_iter=3"}));
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("did you mean timed_iters"), std::string::npos) << unknown.err;
}

TEST(Bench, MediansArePerPhaseAndTheRestComesLast) {
  const std::vector<PhaseTimer::Times> iterations{
      {{"iteration", 0.5}, {"data", 3}, {"forward", 10}},
      {{"iteration", 0.1}, {"data", 1}, {"forward", 30}, {"rare", 8}},
      {{"iteration", 0.3}, {"data", 2}, {"forward", 20}}};
  const auto lines = phase_lines(iterations);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].name, "data");
  EXPECT_EQ(lines[0].median, 2);
  EXPECT_EQ(lines[0].least, 1);
  EXPECT_EQ(lines[1].median, 20);
  EXPECT_EQ(lines[2].name, "rare");
  EXPECT_EQ(lines[2].median, 0);
  EXPECT_EQ(lines[3].name, "other");
  EXPECT_EQ(lines[3].median, 0.3);
}

TEST(Bench, SyntheticTokensAreWithinTheVocabularyAndUnevenlyFrequent) {
  for (const std::int64_t vocabulary : {2, 65, 70000}) {
    const ScratchFolder folder;
    const Dataset data = synthetic_dataset(folder.path(), vocabulary, 64);
    const TokenFile& train = data.train.front().tokens;
    std::vector<std::int64_t> tokens(static_cast<std::size_t>(train.size()));
    train.copy(0, train.size(), tokens.data());  // checks the vocabulary
    std::vector<std::int64_t> count(static_cast<std::size_t>(vocabulary));
    for (const std::int64_t token : tokens) ++count[static_cast<std::size_t>(token)];
    // Zipf: the rank 0 weighs 1 / 3.7, rank 1 1 / 4.7.
    EXPECT_NEAR(static_cast<double>(count[0]) / static_cast<double>(count[1]), 4.7 / 3.7, 0.05);
  }
  fs::path where;
  {
    const ScratchFolder folder;
    where = folder.path();
    EXPECT_TRUE(fs::exists(where));
  }
  EXPECT_FALSE(fs::exists(where));
}

}  // namespace
}  // namespace gpt
