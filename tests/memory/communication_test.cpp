#include "gpt/memory/communication.h"

#include <gtest/gtest.h>

#include "gpt/base/error.h"
#include "gpt/memory/step_table.h"

#include "support/error_text.h"

namespace gpt {
namespace {

Workload workload(std::int64_t processes) {
  TrainConfig config;
  config.model.vocab_size.value = 50304;
  config.system.dtype = "bfloat16";
  return workload_of(config, /*cuda=*/true, 1, 89, processes);
}

TEST(Communication, ARingMovesTwiceAllButOnesShare) {
  const Link link{"x", 1e9, 0};
  const double bytes = 4.0 * static_cast<double>(workload(1).parameters());
  EXPECT_DOUBLE_EQ(exchange_seconds(workload(1), link), 0);
  EXPECT_NEAR(exchange_seconds(workload(2), link), bytes / 1e9, 1e-9);
  EXPECT_NEAR(exchange_seconds(workload(8), link), 2 * 7.0 / 8 * bytes / 1e9, 1e-9);
}

TEST(Communication, TheLastBackwardHidesTheBlocksGradients) {
  const Link link{"x", 10e9, 0};
  Estimate estimate;
  estimate.plan.micro_batch = 1 << 20;  // one piece
  estimate.seconds = 1000;
  const Workload two = workload(2);
  const double all = exchange_seconds(two, link), hidden = hidden_seconds(two, estimate, link);
  const double blocks =
      12.0 * static_cast<double>(two.block_parameters()) / static_cast<double>(two.parameters());
  EXPECT_NEAR(hidden, all * blocks, 1e-9) << "a long backward pass hides all but the embeddings";
  estimate.seconds = 1e-3;
  EXPECT_NEAR(hidden_seconds(two, estimate, link), 1e-3 / 2 * 11 / 12, 1e-9);
  Workload spread = two;
  spread.spread_optimizer = true;
  EXPECT_EQ(hidden_seconds(spread, estimate, link), 0);
  EXPECT_EQ(hidden_seconds(workload(1), estimate, link), 0);
}

TEST(Communication, LinksByNameOrRate) {
  EXPECT_GT(find_link("nvlink").bytes, find_link("pcie4").bytes);
  EXPECT_GT(find_link("pcie4").bytes, find_link("10gbe").bytes);
  EXPECT_DOUBLE_EQ(find_link("12.5GB/s").bytes, 12.5e9);
  for (const char* bad : {"", "fast", "12", "-1GB/s", "12.5GB/s each"})
    EXPECT_NE(testing::error_text<InputError>([&] { find_link(bad); }).find("10gbe"),
              std::string::npos)
        << bad;
}

TEST(Communication, ProcessesShareTheStepAndTheMoments) {
  TrainConfig config;
  config.model.vocab_size.value = 50304;
  config.memory.zero = 1;
  const Workload one = workload_of(config, true, 1, 89, 1);
  const Workload eight = workload_of(config, true, 1, 89, 8);
  EXPECT_EQ(eight.effective(), one.effective() / 8);
  EXPECT_EQ(eight.evaluated(), 2);  // of 12
  const Plan plan{.micro_batch = 1, .head_chunk = 64, .eval_batch = 1};
  const auto moments = [&](const Workload& of) {
    return step_phases(of, plan).front().live[MemoryKind::kOptimizer];
  };
  EXPECT_NEAR(static_cast<double>(moments(eight)), static_cast<double>(moments(one)) / 8, 1e6);
}

}  // namespace
}  // namespace gpt
