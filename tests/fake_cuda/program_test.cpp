// `gpttrain` itself on the stand-in: what it asks of a GPU, and when, without what kernels compute.
#include <algorithm>
#include <map>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "support/child.h"
#include "support/environment.h"

namespace gpt {
namespace {

using testing::Environment;
using testing::Finished;
using testing::TempDir;
using Words = std::vector<std::string>;

Words operator+(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// How a run ended, and what of it the stand-in counted.
struct Seen {
  Finished done;
  std::map<std::string, long> counts;

  long count(const std::string& what) const {
    const auto found = counts.find(what);
    return found == counts.end() ? 0 : found->second;
  }
  std::string text() const {
    std::string all = done.out + done.err;
    for (const auto& [what, times] : counts) all += std::to_string(times) + " " + what + "\n";
    return all;
  }
  bool says(const std::string& what) const {
    return (done.out + done.err).find(what) != std::string::npos;
  }
};

struct Cards {
  std::string capabilities = "86";
  std::string refuse_mib = {};
};

Seen watched(const TempDir& dir, const Words& arguments, const Cards& cards = {}) {
  const std::string report = dir / "report";
  fs::remove(report);
  const Environment preload("LD_PRELOAD", GPT_FAKE_CUDA),
      capabilities("FAKE_CUDA_CARDS", cards.capabilities), to("FAKE_CUDA_REPORT", report);
  std::optional<Environment> refuse;
  if (!cards.refuse_mib.empty()) refuse.emplace("FAKE_CUDA_REFUSE_MIB", cards.refuse_mib);
  Seen seen{testing::run(dir, arguments), {}};
  std::istringstream lines(fs::exists(report) ? read_file(report) : "");
  long times = 0;
  for (std::string what; lines >> times && std::getline(lines >> std::ws, what);)
    seen.counts[what] = times;
  return seen;
}

void expect_clean(const Seen& seen) {
  EXPECT_EQ(seen.done.code, 0) << seen.text();
  EXPECT_GT(seen.count("kernel"), 0) << "the stand-in was not used\n" << seen.text();
  for (const auto& [what, times] : seen.counts)
    EXPECT_FALSE(what.starts_with("complaint")) << what << ", " << times << " times\n"
                                                << seen.text();
}

// Of `max_iters` steps; besides what CUDA's libraries hold, large enough to be foreseen within 3 %.
Words training(int max_iters, const Words& more = {}) {
  return testing::tiny_training({"--device=cuda", "--dtype=bfloat16", "--n_layer=4", "--n_head=4",
                                 "--n_embd=256", "--block_size=256", "--batch_size=16",
                                 "--out_dir=out", "--max_iters=" + std::to_string(max_iters)}) +
         more;
}

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

TEST_F(FakeCudaProgram, SamplesAndEvaluates) {
  expect_clean(watched(dir_, training(2)));
  const Words model{"--out_dir=out", "--device=cuda", "--dtype=bfloat16"};
  expect_clean(watched(
      dir_, Words{"sample", "--start=the", "--num_samples=2", "--max_new_tokens=8"} + model));
  expect_clean(watched(dir_, Words{"eval", "data/tiny/val.bin"} + model));
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
