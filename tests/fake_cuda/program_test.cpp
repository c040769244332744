// `gpttrain` itself on the stand-in: what it asks of a GPU, and when, without what kernels compute.
#include <algorithm>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "watched.h"

namespace gpt {
namespace {

using fake::Cards;
using fake::expect_clean;
using fake::Seen;
using fake::training;
using fake::watched;
using fake::operator+;
using fake::Words;
using testing::Environment;
using testing::TempDir;

class FakeCudaProgram : public ::testing::Test {
 protected:
  void SetUp() override { prepare_tiny(dir_); }

  const TempDir dir_;
};

struct Case {
  const char* name;
  const char* capability;
  Words flags;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.name;
}

class FakeCudaTraining : public FakeCudaProgram, public ::testing::WithParamInterface<Case> {};

// Steps with evaluations between them.
TEST_P(FakeCudaTraining, GoesAsPlanned) {
  const Seen seen = watched(dir_, training(6, {"--eval_interval=3"}) + GetParam().flags,
                            {.capabilities = GetParam().capability});
  expect_clean(seen);
  EXPECT_TRUE(seen.says("memory of training: predicted peak")) << seen.text();
  EXPECT_TRUE(seen.says("memory of evaluation: predicted peak")) << seen.text();
  EXPECT_FALSE(seen.says("warning: ")) << seen.text();
  const Words& flags = GetParam().flags;
  const bool graphs = std::count(flags.begin(), flags.end(), "--compile_mode=reduce-overhead") > 0;
  EXPECT_EQ(seen.count("graph") > 0, graphs) << seen.text();
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, FakeCudaTraining,
    ::testing::Values(
        Case{"fused", "86", {}}, Case{"hopper", "90", {}},
        Case{"graphs", "86", {"--compile_mode=reduce-overhead"}},
        Case{"early", "86", {"--compile_mode=reduce-overhead", "--eval_interval=1"}},
        Case{"eager", "86", {"--compile=False"}},
        Case{"eager_dropout", "86", {"--compile=False", "--dropout=0.1"}},
        Case{"eager_dropout_blocks",
             "86",
             {"--compile=False", "--dropout=0.1", "--recompute=block"}},
        Case{"eager_blocks", "86", {"--compile=False", "--recompute=block"}},
        Case{"dropout", "86", {"--dropout=0.1"}},
        Case{"dropout_graphs", "86", {"--dropout=0.1", "--compile_mode=reduce-overhead"}},
        Case{"deterministic", "75", {"--dtype=float16", "--deterministic=True"}},
        Case{"odd_vocabulary", "86", {"--vocab_size=257"}},
        Case{"float16", "75", {"--dtype=float16"}}, Case{"float32", "86", {"--dtype=float32"}},
        Case{"recompute", "86", {"--recompute=block", "--micro_batch_size=4"}},
        Case{"offload", "86", {"--optimizer_offload=all"}}),
    [](const auto& of) { return std::string(of.param.name); });

// Between one step and the next the host waits for the numbers of the step before, by an event: a
// card that has to wait for the host is idle. (Offloaded weights are waited for, by intention.)
TEST_F(FakeCudaProgram, AStepNeverStopsTheCard) {
  for (const char* kind : {"--compile=True", "--compile=False", "--compile_mode=reduce-overhead",
                           "--optimizer_offload=on", "--dropout=0.1"}) {
    SCOPED_TRACE(kind);
    const Words rarely{"--eval_interval=1000", "--log_interval=1000", "--overwrite=True", kind};
    const Seen few = watched(dir_, training(10, rarely)),
               many = watched(dir_, training(30, rarely));
    expect_clean(many);
    EXPECT_GT(many.count("copy"), few.count("copy"));
    for (const char* what :
         {"pageable copy", "wait for a stream", "wait for a card", "wait for a copy"})
      EXPECT_EQ(many.count(what), few.count(what)) << what << "\n" << many.text();
    EXPECT_EQ(many.count("wait for an event") - few.count("wait for an event"), 20) << many.text();
  }
}

TEST_F(FakeCudaProgram, ARunOnTheSecondCardLeavesTheFirstAlone) {
  for (const char* compile : {"--compile=True", "--compile=False"}) {
    const Seen seen = watched(dir_, training(3, {"--device=cuda:1", "--overwrite=True", compile}),
                              {.capabilities = "86,86"});
    expect_clean(seen);
    EXPECT_EQ(seen.count("context on card 1"), 1) << seen.text();
    EXPECT_EQ(seen.count("context on card 0"), 0) << compile << "\n" << seen.text();
  }
}

// The card has less than it says.
TEST_F(FakeCudaProgram, OutOfMemoryItTakesASmallerPlanAndGoesOn) {
  const Seen seen = watched(dir_, training(4), {.refuse_mib = "200"});
  expect_clean(seen);
  EXPECT_GT(seen.count("allocations refused"), 0) << seen.text();
  EXPECT_TRUE(seen.says("out of memory in")) << seen.text();
  EXPECT_TRUE(seen.says("done after step 4")) << seen.text();
}

TEST_F(FakeCudaProgram, AResumedRunGoesOnOnTheCard) {
  expect_clean(watched(dir_, training(3)));
  const Seen seen = watched(dir_, training(6, {"--init_from=resume"}));
  expect_clean(seen);
  EXPECT_FALSE(seen.says("iter 3:")) << seen.text();
  EXPECT_TRUE(seen.says("done after step 6")) << seen.text();
}

// As in WSL2 and in containers.
TEST_F(FakeCudaProgram, WhatCannotBePinnedStaysPageable) {
  const Environment none("FAKE_CUDA_PIN_MIB", "0");
  const Seen seen = watched(dir_, training(3, {"--optimizer_offload=all"}));
  expect_clean(seen);
  EXPECT_TRUE(seen.says("of the host's memory cannot be pinned")) << seen.text();
  EXPECT_TRUE(seen.says("done after step 3")) << seen.text();
  EXPECT_GT(seen.count("pageable copy"), 0) << seen.text();
}

// Its memory is what is free and what the context holds already, less the display's share.
TEST_F(FakeCudaProgram, ACardThatDrivesADisplayKeepsSome) {
  const auto planned = [&] {
    const Seen seen = watched(dir_, {"plan", "--json", "--device=cuda", "--dtype=bfloat16",
                                     "--n_layer=2", "--n_head=2", "--n_embd=64"});
    EXPECT_EQ(seen.done.code, 0) << seen.text();
    return nlohmann::json::parse(seen.done.out, nullptr, /*allow_exceptions=*/false);
  };
  const auto alone = planned();
  EXPECT_EQ(alone.at("limit_is"), "free now");
  EXPECT_EQ(alone.at("limit_bytes"), std::int64_t{4} << 30) << "the context counts once";
  const Environment driver("LD_LIBRARY_PATH", fs::path(GPT_FAKE_NVML).parent_path().string());
  const auto shared = planned();
  EXPECT_EQ(shared.at("limit_is"), "free now, less what the display may need");
  EXPECT_EQ(shared.at("limit_bytes"), (std::int64_t{4} << 30) - (std::int64_t{256} << 20));
}

TEST_F(FakeCudaProgram, SamplesAndEvaluates) {
  expect_clean(watched(dir_, training(2)));
  const Words model{"--out_dir=out", "--device=cuda", "--dtype=bfloat16"};
  expect_clean(watched(
      dir_, Words{"sample", "--start=the", "--num_samples=2", "--max_new_tokens=8"} + model));
  expect_clean(watched(dir_, Words{"eval", "data/tiny/val.bin"} + model));
}

// The metrics of the run in `out`, and its config.
std::string written(const TempDir& dir, const char* file) {
  return read_file(dir / "out" / file);
}

TEST_F(FakeCudaProgram, ACardIsProbedOnceAndKnownFromThenOn) {
  const Seen first = watched(dir_, training(2));
  expect_clean(first);
  EXPECT_TRUE(first.says("probe of NVIDIA GeForce RTX 3060: ")) << first.text();
  EXPECT_FALSE(first.says("known from")) << first.text();
  const Seen second = watched(dir_, training(2, {"--overwrite=True"}));
  expect_clean(second);
  EXPECT_TRUE(second.says("known from")) << second.text();
  EXPECT_EQ(second.count("product of cuBLASLt"), first.count("product of cuBLASLt"));
  // The algorithm that the stand-in says is the fastest, for all products, in file and manifest.
  EXPECT_TRUE(second.says("algorithms of")) << second.text();
  const std::string manifest = read_file(dir_ / "out" / "step_00000003" / "manifest.json");
  EXPECT_NE(manifest.find("\"gemm_level\": \"tuned\""), std::string::npos) << manifest;
}

TEST_F(FakeCudaProgram, AResumedRunTakesItsChoicesFromTheCheckpoint) {
  expect_clean(watched(dir_, training(3)));
  fs::remove_all(dir_ / "cache");
  const Seen seen = watched(dir_, training(6, {"--init_from=resume"}));
  expect_clean(seen);
  EXPECT_FALSE(seen.says("probe of")) << seen.text();
}

TEST_F(FakeCudaProgram, ExpandableSegmentsStepDownToNative) {
  const Seen seen = watched(dir_, training(2), {.fails = "expandable"});
  expect_clean(seen);
  EXPECT_TRUE(seen.says("warning: probe: allocator: native instead of expandable segments"))
      << seen.text();
  EXPECT_NE(written(dir_, "config.json").find("\"allocator\": \"native\""), std::string::npos);
  EXPECT_NE(written(dir_, "metrics.jsonl").find("\"probe\""), std::string::npos);
}

TEST_F(FakeCudaProgram, GraphsStepDownToLaunches) {
  const Seen seen =
      watched(dir_, training(6, {"--compile_mode=reduce-overhead"}), {.fails = "recording"});
  expect_clean(seen);
  EXPECT_TRUE(seen.says("warning: probe: graphs: launches instead of graphs")) << seen.text();
  EXPECT_EQ(seen.count("graph"), 0);
  EXPECT_NE(written(dir_, "config.json").find("\"compile_mode\": \"default\""), std::string::npos);
}

// It ends the process that tries it: not the one that trains.
TEST_F(FakeCudaProgram, AnAlgorithmThatKillsItsProcessStepsDownToTheFirst) {
  const Seen seen = watched(dir_, training(3), {.fails = "tuned"});
  expect_clean(seen);
  EXPECT_TRUE(
      seen.says("warning: probe: matrix products: the first suggestion instead of the "
                "tuned algorithm"))
      << seen.text();
  EXPECT_TRUE(seen.says("its process: ended by signal 6")) << seen.text();
}

TEST_F(FakeCudaProgram, ACardOnWhichNothingRunsEndsTheRunWithDoctorsReport) {
  const Seen seen = watched(dir_, training(2), {.fails = "everything"});
  EXPECT_EQ(seen.done.code, 1) << seen.text();
  EXPECT_TRUE(seen.says("nothing can be computed on NVIDIA GeForce RTX 3060")) << seen.text();
  EXPECT_TRUE(seen.says("verdict")) << seen.text();
}

TEST_F(FakeCudaProgram, Benches) {
  const Seen seen = watched(
      dir_, {"bench", "--device=cuda", "--dtype=bfloat16", "--n_layer=4", "--n_head=4",
             "--n_embd=256", "--block_size=256", "--vocab_size=70", "--batch_size=16",
             "--timed_iters=4", "--untimed_iters=1", "--gradient_accumulation_steps=1", "--json"});
  expect_clean(seen);
  const auto json = nlohmann::json::parse(seen.done.out, nullptr, /*allow_exceptions=*/false);
  ASSERT_TRUE(json.is_object()) << seen.text();
  EXPECT_NEAR(
      json.at("peak_tensor_bytes").get<double>() / json.at("planned_tensor_bytes").get<double>(), 1,
      0.03);
}

}  // namespace
}  // namespace gpt
