#include "gpt/memory/plan.h"

#include <gtest/gtest.h>

#include "gpt/memory/step_table.h"

#include "memory/users_problem.h"
#include "support/error_text.h"

namespace gpt {
namespace {

constexpr std::int64_t kGibi = std::int64_t{1} << 30;
const std::int64_t kUsersCard = static_cast<std::int64_t>(11.69 * static_cast<double>(kGibi));

Problem users_problem() {
  return testing::users_problem(EngineKind::kEager);
}

TEST(Plan, CountsTheParametersOfGpt2) {
  EXPECT_EQ(users_problem().parameters(), 124'373'760);  // nanoGPT: 123.59M without positions
  EXPECT_EQ(users_problem().parameters() - 1024 * 768, 123'587'328);
}

TEST(Plan, TheUsersBatchFitsAndIsHardlySlowerThanWithoutALimit) {
  const Problem problem = users_problem();
  const DeviceRates rates = gpu_rates("rtx3060");
  const PlanChoice limited = choose_plan(problem, {}, rates, kUsersCard);
  const PlanChoice free = choose_plan(problem, {}, rates, 1000 * kGibi);
  ASSERT_TRUE(limited.best && free.best);
  EXPECT_LE(limited.best->needs(), kUsersCard);
  EXPECT_LT(limited.best->choice.micro_batch, 64);
  EXPECT_EQ(free.best->choice.micro_batch, 64);
  EXPECT_LT(limited.best->seconds, 1.05 * free.best->seconds);
  // nanoGPT's logits alone, 65536 x 50304 in bf16 and their float32 copies, are beyond the card.
  Choice plain{.micro_batch = 64, .head_chunk = 65536, .eval_batch = 64};
  EXPECT_GT(plan_of(problem, plain, rates).needs(), kUsersCard);
}

// cuBLASLt's for half types; ATen's cuBLAS has one as well where its products run.
TEST(Plan, LibrariesWorkspacesAreCounted) {
  constexpr std::int64_t kWorkspace = std::int64_t{8} << 20;
  const auto evaluation = [](const Problem& problem) {
    return peak_of(evaluation_phases(problem, {.eval_batch = 1})).live.tensors();
  };
  Problem problem = testing::users_problem(EngineKind::kTensor);
  problem.workspace = kWorkspace;
  const std::int64_t fused = evaluation(problem);
  problem.dropout = true;  // scores are written out, in training only
  EXPECT_EQ(evaluation(problem) - fused, kWorkspace);
}

TEST(Plan, MoreMemoryIsNeverSlower) {
  const Problem problem = users_problem();
  const DeviceRates rates = gpu_rates("RTX 3060");
  double before = 1e9;
  for (std::int64_t gib = 4; gib <= 80; gib += 2) {
    const PlanChoice chosen = choose_plan(problem, {}, rates, gib * kGibi);
    if (!chosen.best) continue;
    EXPECT_LE(chosen.best->seconds, before) << gib;
    EXPECT_LE(chosen.best->needs(), gib * kGibi);
    before = chosen.best->seconds;
    if (chosen.runner_up) {
      EXPECT_GE(chosen.runner_up->seconds, before);
      EXPECT_LE(chosen.runner_up->needs(), gib * kGibi);
    }
    if (chosen.with_more) {
      EXPECT_GT(chosen.with_more->needs(), gib * kGibi);
      EXPECT_LE(chosen.with_more->seconds, before);
    }
    if (chosen.with_less) {
      EXPECT_LT(chosen.with_less->needs(), chosen.best->needs());
    }
  }
  EXPECT_LT(before, 1e9);
}

TEST(Plan, WhatIsFixedByHandStays) {
  const DeviceRates rates = gpu_rates("rtx3060");
  const Fixed fixed{.recompute = Recompute::kBlock,
                    .offload = Offload::kMoments,
                    .micro_batch = 27,
                    .head_chunk = 1000,
                    .eval_batch = 5};
  const PlanChoice chosen = choose_plan(users_problem(), fixed, rates, kUsersCard);
  ASSERT_TRUE(chosen.best);
  EXPECT_EQ(chosen.best->choice, (Choice{Recompute::kBlock, Offload::kMoments, 27, 1000, 5}));
  EXPECT_EQ(chosen.best->choice.pieces(users_problem()), 3);  // 27 + 27 + 10
  EXPECT_FALSE(chosen.runner_up);
  EXPECT_EQ(chosen.best->host, 8 * users_problem().parameters());
}

TEST(Plan, SaysThatNothingFitsAndWhatNeedsLeast) {
  const PlanChoice chosen = choose_plan(users_problem(), {}, gpu_rates("rtx3060"), kGibi);
  EXPECT_FALSE(chosen.best);
  EXPECT_FALSE(chosen.runner_up);
  EXPECT_GT(chosen.smallest.needs(), kGibi);
  EXPECT_EQ(chosen.smallest.choice.micro_batch, 1);
  EXPECT_TRUE(choose_plan(users_problem(), {}, gpu_rates("rtx3060"), chosen.smallest.needs()).best);
}

TEST(Plan, EachLevelKeepsLessAndTakesLonger) {
  for (const EngineKind engine : {EngineKind::kEager, EngineKind::kTensor}) {
    Problem problem = users_problem();
    problem.engine = engine;
    Plan before = plan_of(problem, {.micro_batch = 16, .head_chunk = 4096}, gpu_rates("rtx3060"));
    for (const Recompute level :
         {Recompute::kGelu, Recompute::kNorm, Recompute::kMlp, Recompute::kBlock}) {
      if (recompute_of(engine, level) != level) continue;
      const Plan plan =
          plan_of(problem, {.recompute = level, .micro_batch = 16, .head_chunk = 4096},
                  gpu_rates("rtx3060"));
      EXPECT_LT(plan.train.live[MemoryKind::kActivations],
                before.train.live[MemoryKind::kActivations]);
      EXPECT_GT(plan.seconds, before.seconds) << recompute_name(level);
      before = plan;
    }
  }
}

TEST(Plan, TheEagerEngineKeepsABlockOrItsInput) {
  const DeviceRates rates = gpu_rates("rtx3060");
  for (std::int64_t gib = 3; gib <= 80; ++gib) {
    const PlanChoice chosen = choose_plan(users_problem(), {}, rates, gib * kGibi);
    for (const auto& plan : {chosen.best, chosen.runner_up, chosen.with_more, chosen.with_less}) {
      if (!plan) continue;
      const Recompute level = plan->choice.recompute;
      EXPECT_TRUE(level == Recompute::kNone || level == Recompute::kBlock) << gib;
    }
  }
  for (const Recompute level : {Recompute::kGelu, Recompute::kNorm, Recompute::kMlp}) {
    const PlanChoice chosen = choose_plan(users_problem(), {.recompute = level}, rates, 80 * kGibi);
    EXPECT_EQ(chosen.best->choice.recompute, Recompute::kBlock) << recompute_name(level);
  }
}

TEST(Plan, ACpuKeepsNanoGptsPieces) {
  Problem problem = users_problem();
  problem.cuda = false;
  problem.accumulation = 4;
  const PlanChoice chosen = choose_plan(problem, {}, cpu_rates(2), 1000 * kGibi);
  ASSERT_TRUE(chosen.best);
  EXPECT_EQ(chosen.best->choice.micro_batch, 64);
  EXPECT_EQ(chosen.best->choice.recompute, Recompute::kNone);
  EXPECT_EQ(chosen.best->choice.offload, Offload::kOff);
}

TEST(Plan, ACpuTakesLargerChunksOfTheHeadWithTheFusedEngine) {
  Problem problem = users_problem();
  problem.cuda = false;
  const auto chunk = [&](EngineKind engine) {
    problem.engine = engine;
    const PlanChoice chosen = choose_plan(problem, {}, cpu_rates(2), 1000 * kGibi);
    return chosen.best ? chosen.best->choice.head_chunk : 0;
  };
  EXPECT_EQ(chunk(EngineKind::kEager), 333);  // 64 MiB of logits
  EXPECT_EQ(chunk(EngineKind::kCpu), 512);
  problem.vocab = 65;
  EXPECT_EQ(chunk(EngineKind::kEager), 64 * 1024) << "all tokens";
  EXPECT_EQ(chunk(EngineKind::kCpu), 64 * 1024);
}

Problem gpt2(std::int64_t layers, std::int64_t heads, std::int64_t width) {
  Problem problem = users_problem();
  problem.layers = layers, problem.heads = heads, problem.width = width;
  problem.engine = EngineKind::kTensor;
  problem.accumulation = 8;
  return problem;
}

TEST(Plan, TheLargeModelsFitACardOf12GB) {
  for (const Problem& problem : {gpt2(36, 20, 1280), gpt2(48, 25, 1600)}) {
    const PlanChoice chosen = choose_plan(problem, {}, gpu_rates("rtx3060"), kUsersCard);
    ASSERT_TRUE(chosen.best) << problem.parameters();
    EXPECT_NE(chosen.best->choice.offload, Offload::kOff);
    EXPECT_LE(chosen.best->needs(), kUsersCard);
  }
  EXPECT_TRUE(choose_plan(gpt2(36, 20, 1280), {}, gpu_rates("rtx4060"),
                          static_cast<std::int64_t>(7.78 * kGibi))
                  .best);
}

// Weights, copies and gradients alone: 10 bytes a parameter, or 6.
TEST(Plan, WeightsGoToTheHostOnlyWhereCopiesOfThemCompute) {
  Problem problem = gpt2(48, 25, 1600);
  const Choice moments{.offload = Offload::kMoments, .head_chunk = 512};
  Choice weights = moments;
  weights.offload = Offload::kWeights;
  const DeviceRates rates = gpu_rates("rtx3060");
  const Plan a = plan_of(problem, moments, rates), b = plan_of(problem, weights, rates);
  const std::int64_t matrices = 4 * problem.layers * problem.block_matrices();
  EXPECT_EQ(a.train.live[MemoryKind::kWeights] - b.train.live[MemoryKind::kWeights], matrices);
  EXPECT_EQ(b.host - a.host, matrices);
  EXPECT_GT(b.seconds, a.seconds);

  const Fixed all{.offload = Offload::kWeights};
  EXPECT_EQ(choose_plan(problem, all, rates, 80 * kGibi).best->choice.offload, Offload::kWeights);
  problem.type_bytes = 4;
  EXPECT_EQ(choose_plan(problem, all, rates, 80 * kGibi).best->choice.offload, Offload::kMoments);
  problem.type_bytes = 2;
  problem.engine = EngineKind::kEager;
  EXPECT_EQ(choose_plan(problem, all, rates, 80 * kGibi).best->choice.offload, Offload::kMoments);
}

// 774M's moments take 5.8 GiB, with the weights 8.4 GiB.
TEST(Plan, OffloadsNoMoreThanTheHostHasRoomFor) {
  Problem problem = gpt2(36, 20, 1280);
  const DeviceRates rates = gpu_rates("rtx3060");
  for (const auto& [gib, expected] : {std::pair{9, Offload::kWeights}, {6, Offload::kMoments}}) {
    problem.host_memory = gib * kGibi;
    const PlanChoice chosen = choose_plan(problem, {}, rates, kUsersCard);
    ASSERT_TRUE(chosen.best) << gib;
    EXPECT_EQ(chosen.best->choice.offload, expected) << gib;
    EXPECT_LE(chosen.best->host, problem.host_memory);
  }
  problem.host_memory = 5 * kGibi;
  EXPECT_FALSE(choose_plan(problem, {}, rates, kUsersCard).best);
  // What the user asks for is not judged here; doctor does.
  EXPECT_TRUE(choose_plan(problem, {.offload = Offload::kMoments}, rates, kUsersCard).best);
}

// A step's working memory is the graphs' for good: an evaluation's comes on top of it.
TEST(Plan, RecordedStepsKeepTheirMemoryDuringEvaluations) {
  Problem problem = gpt2(12, 12, 768);
  const DeviceRates rates = gpu_rates("rtx3060");
  const Choice choice{.micro_batch = 8, .head_chunk = 2048, .eval_batch = 4};
  const Plan plain = plan_of(problem, choice, rates);
  problem.graphs = true;
  const Plan recorded = plan_of(problem, choice, rates);
  const MemoryBreakdown& step = plain.train.live;
  const std::int64_t work =
      step[MemoryKind::kWorkspace] - problem.workspace;  // cuBLASLt's is no graph's
  EXPECT_NEAR(static_cast<double>(recorded.eval.live[MemoryKind::kGraphs]),
              static_cast<double>(step[MemoryKind::kActivations] + step[MemoryKind::kHead] + work),
              8 << 20);
  const std::int64_t input = 2 * 8 * choice.micro_batch * problem.block;
  EXPECT_EQ(recorded.eval.live.tensors() - plain.eval.live.tensors(), problem.workspace + input)
      << "idle, what graphs hold is no tensor's";
  EXPECT_GT(recorded.train.live.total(), plain.train.live.total());

  const PlanChoice chosen = choose_plan(problem, {}, rates, kUsersCard);
  ASSERT_TRUE(chosen.best);
  EXPECT_LE(chosen.best->needs(), kUsersCard);
  EXPECT_GT(chosen.best->choice.eval_batch, 1);
}

TEST(Plan, OnlyAGpusFusedEngineWithoutDropoutRecords) {
  TrainConfig config;
  config.system.dtype = "bfloat16";
  config.model.dropout = 0;
  EXPECT_FALSE(problem_of(config, /*cuda=*/true, 1).graphs);
  config.system.compile_mode = "reduce-overhead";
  EXPECT_TRUE(problem_of(config, /*cuda=*/true, 1).graphs);
  EXPECT_FALSE(problem_of(config, /*cuda=*/false, 1).graphs);
  config.model.dropout = 0.1;
  EXPECT_FALSE(problem_of(config, /*cuda=*/true, 1).graphs);
}

// No kernel of float32 gives the same bits every time, and none takes heads of 20.
TEST(Plan, ScoresAreCountedWhereNoKernelFits) {
  TrainConfig config;
  config.system.dtype = "float32";
  EXPECT_FALSE(problem_of(config, /*cuda=*/true, 1).plain_attention);
  config.system.deterministic = true;
  EXPECT_TRUE(problem_of(config, /*cuda=*/true, 1).plain_attention);
  EXPECT_FALSE(problem_of(config, /*cuda=*/false, 1).plain_attention);
  config.system.dtype = "bfloat16";
  EXPECT_FALSE(problem_of(config, /*cuda=*/true, 1).plain_attention);
  config.model.n_embd = 20 * config.model.n_head;
  EXPECT_TRUE(problem_of(config, /*cuda=*/true, 1).plain_attention);
  config.system.compile = false;  // the modules' kernels pad
  EXPECT_FALSE(problem_of(config, /*cuda=*/true, 1).plain_attention);
}

TEST(Plan, AnotherCardIsElsewhereToo) {
  TrainConfig config;
  config.system.dtype = "bfloat16";
  const auto elsewhere = [&](const char* here, const char* there, bool cuda) {
    config.system.device = here;
    config.memory.eval_device = there;
    return problem_of(config, cuda, 1).evaluates_elsewhere;
  };
  EXPECT_FALSE(elsewhere("cuda:1", "auto", true));
  EXPECT_FALSE(elsewhere("cuda:0", "cuda", true));
  EXPECT_TRUE(elsewhere("cuda:0", "cuda:1", true));
  EXPECT_TRUE(elsewhere("cuda:0", "cpu", true));
  EXPECT_TRUE(elsewhere("cpu", "cuda:0", false));
  EXPECT_FALSE(elsewhere("cpu", "cpu", false));
}

TEST(Plan, AnUnknownGpuIsAnErrorThatListsTheKnown) {
  const std::string error = testing::error_text([] { gpu_rates("rtx9999"); });
  EXPECT_NE(error.find("'rtx9999' is unknown"), std::string::npos) << error;
  EXPECT_NE(error.find("RTX 3060"), std::string::npos) << error;
  EXPECT_EQ(gpu_rates("NVIDIA GeForce RTX 4060 Ti").name, "RTX 4060 Ti");
}

}  // namespace
}  // namespace gpt
