// The memory keys of the commands from outside.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/child.h"

namespace gpt {
namespace {

using testing::Finished;
using testing::prepare_tiny;
using testing::run;
using testing::TempDir;
using testing::tiny_training;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// 1 MiB is less than the GEMMs with which the machine's peak rate is measured.
TEST(MemoryLimit, CountsTheRunAndNotWhatIsMeasuredBefore) {
  const TempDir dir;
  prepare_tiny(dir);
  const Finished trained =
      run(dir, tiny_training({"--max_iters=10", "--memory_limit=1MiB", "--optimizer_offload=all"}));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(has(trained.out, "of 1 MiB")) << trained.out;
  EXPECT_TRUE(has(trained.out, "memory of training: predicted peak ")) << trained.out;
  EXPECT_TRUE(has(trained.out, "memory of evaluation: predicted peak ")) << trained.out;
  // The eager engine of a CPU computes with the weights themselves.
  EXPECT_TRUE(has(trained.err, "optimizer_offload=all")) << trained.err;
  EXPECT_TRUE(has(trained.err, "on is used instead")) << trained.err;
}

TEST(MemoryLimit, ALevelThatTheEagerEngineLacksBecomesBlock) {
  const TempDir dir;
  prepare_tiny(dir);
  const Finished trained =
      run(dir, tiny_training({"--max_iters=2", "--compile=False", "--recompute=norm"}));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(has(trained.err, "recompute=norm: ")) << trained.err;
  EXPECT_TRUE(has(trained.err, "; block is used instead")) << trained.err;
  EXPECT_TRUE(has(trained.out, ", recompute block, ")) << trained.out;
}

// Limits that leave a plan a few hundred bytes: nothing may take memory that no plan counts.
TEST(MemoryLimit, WhatThePlanSaysFitsRuns) {
  const TempDir dir;
  prepare_tiny(dir);
  for (const char* limit : {"984KiB", "988KiB", "1000KiB", "1024KiB"}) {
    const Finished trained =
        run(dir, tiny_training({"--max_iters=10", std::string("--memory_limit=") + limit,
                                "--optimizer_offload=all", "--overwrite=True"}));
    EXPECT_EQ(trained.code, 0) << limit << ": " << trained.err;
  }
}

TEST(MemoryLimit, HoldsForEvaluationsOfATextToo) {
  const TempDir dir;
  prepare_tiny(dir);
  ASSERT_EQ(run(dir, tiny_training({"--out_dir=out", "--max_iters=5"})).code, 0);
  const auto within = [&](const char* limit) {
    return run(dir, {"eval", "--out_dir=out", "--device=cpu", "--json", "fox.txt",
                     std::string("--memory_limit=") + limit});
  };
  const Finished ample = within("auto"), scarce = within("700K"), hopeless = within("100K");
  ASSERT_EQ(ample.code, 0) << ample.err;
  ASSERT_EQ(scarce.code, 0) << scarce.err;
  EXPECT_TRUE(has(scarce.err, "out of memory in the evaluation (")) << scarce.err;
  EXPECT_NEAR(nlohmann::json::parse(scarce.out).at("loss").get<double>(),
              nlohmann::json::parse(ample.out).at("loss").get<double>(), 1e-5);
  EXPECT_EQ(hopeless.code, 1);
  EXPECT_TRUE(has(hopeless.err, " MiB")) << hopeless.err;
  EXPECT_TRUE(has(hopeless.err, "`gpttrain doctor`")) << hopeless.err;
}

}  // namespace
}  // namespace gpt
