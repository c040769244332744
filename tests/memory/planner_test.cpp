#include "gpt/memory/planner.h"

#include <gtest/gtest.h>

#include "gpt/kernels/device_choices.h"
#include "gpt/kernels/ops/lm_head.h"
#include "gpt/memory/step_table.h"

#include "memory/users_workload.h"
#include "support/error_text.h"

namespace gpt {
namespace {

constexpr std::int64_t kGibi = std::int64_t{1} << 30;
const std::int64_t kUsersCard = static_cast<std::int64_t>(11.69 * static_cast<double>(kGibi));

Workload users_workload() {
  return testing::users_workload(EngineKind::kEager);
}

Constraints within(Constraints constraints, std::int64_t limit) {
  constraints.limit = limit;
  return constraints;
}

TEST(Planner, CountsTheParametersOfGpt2) {
  EXPECT_EQ(users_workload().parameters(), 124'373'760);  // nanoGPT: 123.59M without positions
  EXPECT_EQ(users_workload().parameters() - 1024 * 768, 123'587'328);
}

TEST(Planner, TheUsersBatchFitsAndIsHardlySlowerThanWithoutALimit) {
  const Workload workload = users_workload();
  const DeviceRates rates = gpu_rates("rtx3060");
  const RankedPlans limited = Planner(workload, {.limit = kUsersCard}, rates).ranked();
  const RankedPlans free = Planner(workload, {.limit = 1000 * kGibi}, rates).ranked();
  ASSERT_TRUE(limited.best && free.best);
  EXPECT_LE(limited.best->needs(), kUsersCard);
  EXPECT_LT(limited.best->plan.micro_batch, 64);
  EXPECT_EQ(free.best->plan.micro_batch, 64);
  EXPECT_LT(limited.best->seconds, 1.05 * free.best->seconds);
  // nanoGPT's logits alone, 65536 x 50304 in bf16 and their float32 copies, are beyond the card.
  Plan plain{.micro_batch = 64, .head_chunk = 65536, .eval_batch = 64};
  EXPECT_GT(estimate_of(workload, plain, rates).needs(), kUsersCard);
}

// cuBLASLt's for half types; ATen's cuBLAS has one as well where its products run.
TEST(Planner, LibrariesWorkspacesAreCounted) {
  constexpr std::int64_t kWorkspace = std::int64_t{8} << 20;
  const auto evaluation = [](const Workload& workload) {
    return peak_of(evaluation_phases(workload, {.eval_batch = 1})).live.tensors();
  };
  Workload workload = testing::users_workload(EngineKind::kTensor);
  workload.workspace = kWorkspace;
  const std::int64_t fused = evaluation(workload);
  workload.dropout = true;  // scores are written out, in training only
  EXPECT_EQ(evaluation(workload) - fused, kWorkspace);
}

TEST(Planner, MoreMemoryIsNeverSlower) {
  const Workload workload = users_workload();
  const DeviceRates rates = gpu_rates("RTX 3060");
  double before = 1e9;
  for (std::int64_t gib = 4; gib <= 80; gib += 2) {
    const RankedPlans chosen = Planner(workload, {.limit = gib * kGibi}, rates).ranked();
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

TEST(Planner, WhatIsFixedByHandStays) {
  const DeviceRates rates = gpu_rates("rtx3060");
  const Constraints fixed{.recompute = Recompute::kBlock,
                          .offload = Offload::kMoments,
                          .micro_batch = 27,
                          .head_chunk = 1000,
                          .eval_batch = 5};
  const RankedPlans chosen = Planner(users_workload(), within(fixed, kUsersCard), rates).ranked();
  ASSERT_TRUE(chosen.best);
  EXPECT_EQ(chosen.best->plan, (Plan{Recompute::kBlock, Offload::kMoments, 27, 1000, 5}));
  EXPECT_EQ(users_workload().pieces(chosen.best->plan), 3);  // 27 + 27 + 10
  EXPECT_FALSE(chosen.runner_up);
  EXPECT_EQ(chosen.best->host, 8 * users_workload().parameters());
}

TEST(Planner, SaysThatNothingFitsAndWhatNeedsLeast) {
  const RankedPlans chosen =
      Planner(users_workload(), {.limit = kGibi}, gpu_rates("rtx3060")).ranked();
  EXPECT_FALSE(chosen.best);
  EXPECT_FALSE(chosen.runner_up);
  EXPECT_GT(chosen.smallest.needs(), kGibi);
  EXPECT_EQ(chosen.smallest.plan.micro_batch, 1);
  EXPECT_TRUE(Planner(users_workload(), {.limit = chosen.smallest.needs()}, gpu_rates("rtx3060"))
                  .ranked()
                  .best);
}

TEST(Planner, EachLevelKeepsLessAndTakesLonger) {
  for (const EngineKind engine : {EngineKind::kEager, EngineKind::kTensor}) {
    Workload workload = users_workload();
    workload.engine = engine;
    Estimate before =
        estimate_of(workload, {.micro_batch = 16, .head_chunk = 4096}, gpu_rates("rtx3060"));
    for (const Recompute level :
         {Recompute::kGelu, Recompute::kNorm, Recompute::kMlp, Recompute::kBlock}) {
      if (recompute_of(engine, level) != level) continue;
      const Estimate plan =
          estimate_of(workload, {.recompute = level, .micro_batch = 16, .head_chunk = 4096},
                      gpu_rates("rtx3060"));
      EXPECT_LT(plan.train.live[MemoryKind::kActivations],
                before.train.live[MemoryKind::kActivations]);
      EXPECT_GT(plan.seconds, before.seconds) << recompute_name(level);
      before = plan;
    }
  }
}

TEST(Planner, TheEagerEngineKeepsABlockOrItsInput) {
  const DeviceRates rates = gpu_rates("rtx3060");
  for (std::int64_t gib = 3; gib <= 80; ++gib) {
    const RankedPlans chosen = Planner(users_workload(), {.limit = gib * kGibi}, rates).ranked();
    for (const auto& plan : {chosen.best, chosen.runner_up, chosen.with_more, chosen.with_less}) {
      if (!plan) continue;
      const Recompute level = plan->plan.recompute;
      EXPECT_TRUE(level == Recompute::kNone || level == Recompute::kBlock) << gib;
    }
  }
  for (const Recompute level : {Recompute::kGelu, Recompute::kNorm, Recompute::kMlp}) {
    const RankedPlans chosen =
        Planner(users_workload(), {.recompute = level, .limit = 80 * kGibi}, rates).ranked();
    EXPECT_EQ(chosen.best->plan.recompute, Recompute::kBlock) << recompute_name(level);
  }
}

TEST(Planner, ACpuKeepsNanoGptsPieces) {
  Workload workload = users_workload();
  workload.cuda = false;
  workload.accumulation = 4;
  const RankedPlans chosen = Planner(workload, {.limit = 1000 * kGibi}, cpu_rates(2)).ranked();
  ASSERT_TRUE(chosen.best);
  EXPECT_EQ(chosen.best->plan.micro_batch, 64);
  EXPECT_EQ(chosen.best->plan.recompute, Recompute::kNone);
  EXPECT_EQ(chosen.best->plan.offload, Offload::kOff);
}

TEST(Planner, ACpuTakesLargerChunksOfTheHeadWithTheFusedEngine) {
  Workload workload = users_workload();
  workload.cuda = false;
  const auto chunk = [&](EngineKind engine) {
    workload.engine = engine;
    const RankedPlans chosen = Planner(workload, {.limit = 1000 * kGibi}, cpu_rates(2)).ranked();
    return chosen.best ? chosen.best->plan.head_chunk : 0;
  };
  EXPECT_EQ(chunk(EngineKind::kEager), 333);  // 64 MiB of logits
  EXPECT_EQ(chunk(EngineKind::kCpu), 512);
  workload.vocab = 65;
  EXPECT_EQ(chunk(EngineKind::kEager), 64 * 1024) << "all tokens";
  EXPECT_EQ(chunk(EngineKind::kCpu), 64 * 1024);
}

Workload gpt2(std::int64_t layers, std::int64_t heads, std::int64_t width) {
  Workload workload = users_workload();
  workload.layers = layers, workload.heads = heads, workload.width = width;
  workload.engine = EngineKind::kTensor;
  workload.accumulation = 8;
  return workload;
}

// The kernels' 32-bit indices, also where the user asks for more.
TEST(Planner, AChunksLogitsAreFewerThan2To31) {
  Workload workload = gpt2(12, 12, 768);
  for (const std::int64_t vocab : {50304, 50257, 65}) {
    workload.vocab = vocab;
    for (const auto& chunk : {std::optional<std::int64_t>(), std::optional<std::int64_t>(1 << 20)})
      for (const std::int64_t gib : {12, 80, 10'000}) {
        const RankedPlans chosen =
            Planner(workload, {.head_chunk = chunk, .limit = gib * kGibi}, gpu_rates("h100"))
                .ranked();
        for (const auto& plan : {chosen.best, chosen.runner_up, chosen.with_more})
          EXPECT_TRUE(!plan || plan->plan.head_chunk * padded_vocabulary(vocab) < 1LL << 31) << gib;
        EXPECT_LT(chosen.fastest.plan.head_chunk * padded_vocabulary(vocab), 1LL << 31) << gib;
      }
  }
}

TEST(Planner, TheLargeModelsFitACardOf12GB) {
  for (const Workload& workload : {gpt2(36, 20, 1280), gpt2(48, 25, 1600)}) {
    const RankedPlans chosen =
        Planner(workload, {.limit = kUsersCard}, gpu_rates("rtx3060")).ranked();
    ASSERT_TRUE(chosen.best) << workload.parameters();
    EXPECT_NE(chosen.best->plan.offload, Offload::kOff);
    EXPECT_LE(chosen.best->needs(), kUsersCard);
  }
  EXPECT_TRUE(Planner(gpt2(36, 20, 1280), {.limit = static_cast<std::int64_t>(7.78 * kGibi)},
                      gpu_rates("rtx4060"))
                  .ranked()
                  .best);
}

// Weights, copies and gradients alone: 10 bytes a parameter, or 6.
TEST(Planner, WeightsGoToTheHostOnlyWhereCopiesOfThemCompute) {
  Workload workload = gpt2(48, 25, 1600);
  const Plan moments{.offload = Offload::kMoments, .head_chunk = 512};
  Plan weights = moments;
  weights.offload = Offload::kWeights;
  const DeviceRates rates = gpu_rates("rtx3060");
  const Estimate a = estimate_of(workload, moments, rates),
                 b = estimate_of(workload, weights, rates);
  const std::int64_t matrices = 4 * workload.layers * workload.block_matrices();
  EXPECT_EQ(a.train.live[MemoryKind::kWeights] - b.train.live[MemoryKind::kWeights], matrices);
  EXPECT_EQ(b.host - a.host, matrices);
  EXPECT_GT(b.seconds, a.seconds);

  const Constraints all{.offload = Offload::kWeights};
  EXPECT_EQ(Planner(workload, within(all, 80 * kGibi), rates).ranked().best->plan.offload,
            Offload::kWeights);
  workload.type_bytes = 4;
  EXPECT_EQ(Planner(workload, within(all, 80 * kGibi), rates).ranked().best->plan.offload,
            Offload::kMoments);
  workload.type_bytes = 2;
  workload.engine = EngineKind::kEager;
  EXPECT_EQ(Planner(workload, within(all, 80 * kGibi), rates).ranked().best->plan.offload,
            Offload::kMoments);
}

// 774M's moments take 5.8 GiB, with the weights 8.4 GiB.
TEST(Planner, OffloadsNoMoreThanTheHostHasRoomFor) {
  Workload workload = gpt2(36, 20, 1280);
  const DeviceRates rates = gpu_rates("rtx3060");
  for (const auto& [gib, expected] : {std::pair{9, Offload::kWeights}, {6, Offload::kMoments}}) {
    workload.host_memory = gib * kGibi;
    const RankedPlans chosen = Planner(workload, {.limit = kUsersCard}, rates).ranked();
    ASSERT_TRUE(chosen.best) << gib;
    EXPECT_EQ(chosen.best->plan.offload, expected) << gib;
    EXPECT_LE(chosen.best->host, workload.host_memory);
  }
  workload.host_memory = 5 * kGibi;
  EXPECT_FALSE(Planner(workload, {.limit = kUsersCard}, rates).ranked().best);
  // What the user asks for is not judged here; doctor does.
  EXPECT_TRUE(
      Planner(workload, {.offload = Offload::kMoments, .limit = kUsersCard}, rates).ranked().best);
}

// Weights and two moments, in float32; on a GPU the copy is the host's, which may be too small for
// offloading besides.
TEST(Planner, ACheckpointsCopyIsCounted) {
  Workload workload = gpt2(12, 12, 768);
  const DeviceRates rates = gpu_rates("rtx3060");
  const Constraints resident{.offload = Offload::kOff, .limit = 80 * kGibi};
  const auto planned = [&](bool copies) {
    workload.copies_state = copies;
    return *Planner(workload, resident, rates).ranked().best;
  };
  const Estimate without = planned(false), with = planned(true);
  EXPECT_EQ(without.host, 0);
  EXPECT_EQ(with.needs(), without.needs());
  const double copy = 12.0 * static_cast<double>(workload.parameters());
  EXPECT_NEAR(static_cast<double>(with.host), copy, 0.001 * copy);

  workload.cuda = false;
  workload.engine = EngineKind::kCpu;
  workload.type_bytes = 4;
  const Estimate cpu_without = planned(false), cpu_with = planned(true);
  EXPECT_EQ(cpu_with.host, 0);
  const double more = static_cast<double>(cpu_with.needs() - cpu_without.needs());
  EXPECT_NEAR(more, copy, 0.01 * copy);
  EXPECT_GT(cpu_with.train.live[MemoryKind::kCheckpoint], 0);

  workload = gpt2(36, 20, 1280);
  workload.copies_state = true;
  workload.host_memory = 12 * kGibi;  // for the copy, and not for moments besides
  const auto chosen = Planner(workload, {.limit = 24 * kGibi}, rates).ranked().best;
  ASSERT_TRUE(chosen);
  EXPECT_EQ(chosen->plan.offload, Offload::kOff);
}

// A step's working memory is the graphs' for good: an evaluation's comes on top of it.
TEST(Planner, RecordedStepsKeepTheirMemoryDuringEvaluations) {
  Workload workload = gpt2(12, 12, 768);
  const DeviceRates rates = gpu_rates("rtx3060");
  const Plan plan{.micro_batch = 8, .head_chunk = 2048, .eval_batch = 4};
  const Estimate plain = estimate_of(workload, plan, rates);
  workload.graphs = true;
  const Estimate recorded = estimate_of(workload, plan, rates);
  const MemoryBreakdown& step = plain.train.live;
  const std::int64_t work =
      step[MemoryKind::kWorkspace] - workload.workspace;  // cuBLASLt's is no graph's
  EXPECT_NEAR(static_cast<double>(recorded.eval.live[MemoryKind::kGraphs]),
              static_cast<double>(step[MemoryKind::kActivations] + step[MemoryKind::kHead] + work),
              8 << 20);
  const std::int64_t input = 2 * 8 * plan.micro_batch * workload.block;
  EXPECT_EQ(recorded.eval.live.tensors() - plain.eval.live.tensors(), workload.workspace + input)
      << "idle, what graphs hold is no tensor's";
  EXPECT_GT(recorded.train.live.total(), plain.train.live.total());

  const RankedPlans chosen = Planner(workload, {.limit = kUsersCard}, rates).ranked();
  ASSERT_TRUE(chosen.best);
  EXPECT_LE(chosen.best->needs(), kUsersCard);
  EXPECT_GT(chosen.best->plan.eval_batch, 1);
}

TEST(Planner, OnlyAGpusFusedEngineRecords) {
  TrainConfig config;
  config.system.dtype = "bfloat16";
  config.model.dropout = 0;
  EXPECT_FALSE(workload_of(config, /*cuda=*/true, 1).graphs);
  config.system.compile_mode = "reduce-overhead";
  EXPECT_TRUE(workload_of(config, /*cuda=*/true, 1).graphs);
  EXPECT_FALSE(workload_of(config, /*cuda=*/false, 1).graphs);
  config.model.dropout = 0.1;
  EXPECT_TRUE(workload_of(config, /*cuda=*/true, 1).graphs);
  config.system.compile = false;
  EXPECT_FALSE(workload_of(config, /*cuda=*/true, 1).graphs);
}

// No kernel of float32 gives the same bits every time, and none takes heads of 20.
TEST(Planner, ScoresAreCountedWhereNoKernelFits) {
  TrainConfig config;
  config.system.dtype = "float32";
  EXPECT_FALSE(workload_of(config, /*cuda=*/true, 1).plain_attention);
  config.system.deterministic = true;
  EXPECT_TRUE(workload_of(config, /*cuda=*/true, 1).plain_attention);
  EXPECT_FALSE(workload_of(config, /*cuda=*/false, 1).plain_attention);
  config.system.dtype = "bfloat16";
  EXPECT_FALSE(workload_of(config, /*cuda=*/true, 1).plain_attention);
  config.model.n_embd = 20 * config.model.n_head;
  EXPECT_TRUE(workload_of(config, /*cuda=*/true, 1).plain_attention);
  config.system.compile = false;  // the modules' kernels pad
  EXPECT_FALSE(workload_of(config, /*cuda=*/true, 1).plain_attention);
}

// With dropout, or within documents: by what fits, unless a probe has found otherwise.
TEST(Planner, ScoresOfAMaskAreCountedWhereTheTiledKernelDoesNotFit) {
  TrainConfig config;
  config.system.dtype = "bfloat16";
  const auto writes = [&](int capability = 80) {
    return workload_of(config, /*cuda=*/true, 1, capability).writes_out_scores();
  };
  for (const bool documents : {false, true}) {
    config.model.dropout = documents ? 0 : 0.1;
    config.data.document_mask = documents;
    EXPECT_FALSE(writes());
    EXPECT_TRUE(writes(75));
    set_device_choices(DeviceChoices{});
    EXPECT_TRUE(writes());
    set_device_choices(DeviceChoices{.tiled_attention = true});
    EXPECT_FALSE(writes());
    set_device_choices(std::nullopt);
    config.system.deterministic = true;
    EXPECT_FALSE(writes());
    config.system.deterministic = false;
    config.model.attention = "plain";
    EXPECT_TRUE(writes());
    config.model.attention = TrainConfig().model.attention;
    config.system.dtype = "float32";
    EXPECT_TRUE(writes());
    config.system.dtype = "bfloat16";
    config.model.n_embd = 24 * config.model.n_head;
    EXPECT_TRUE(writes());
    config.model.n_embd = TrainConfig().model.n_embd;
  }
  config = TrainConfig();
  config.model.dropout = 0.1;
  config.system.compile = false;
  EXPECT_TRUE(writes()) << "of the eager engine";
}

// FlashAttention, the only one that gives the same bits every time, is not on cards before Ampere.
TEST(Planner, ADeterministicRunOnTuringCountsScores) {
  TrainConfig config;
  config.system.dtype = "float16";
  EXPECT_FALSE(workload_of(config, /*cuda=*/true, 1, 75).plain_attention);
  config.system.deterministic = true;
  EXPECT_TRUE(workload_of(config, /*cuda=*/true, 1, 75).plain_attention);
  EXPECT_FALSE(workload_of(config, /*cuda=*/true, 1, 80).plain_attention);
  EXPECT_FALSE(workload_of(config, /*cuda=*/false, 1, 75).plain_attention);
}

// CUBLAS_WORKSPACE_CONFIG=:4096:8 makes cuBLAS's workspace the same everywhere; cuBLASLt's is ours.
TEST(Planner, ADeterministicRunHasCublasWorkspaceOfAnySize) {
  Workload workload = users_workload();
  workload.engine = EngineKind::kTensor;
  workload.type_bytes = 2;
  workload.plain_attention = true;
  workload.workspace = std::int64_t{8} << 20;
  const std::int64_t before = library_bytes(workload);
  workload.deterministic = true;
  EXPECT_EQ(library_bytes(workload) - before, std::int64_t{24} << 20);
  workload.plain_attention = workload.dropout = false;
  EXPECT_EQ(library_bytes(workload), std::int64_t{8} << 20) << "no matmul is cuBLAS's";
}

TEST(Planner, AnotherCardIsElsewhereToo) {
  TrainConfig config;
  config.system.dtype = "bfloat16";
  const auto elsewhere = [&](const char* here, const char* there, bool cuda) {
    config.system.device = here;
    config.memory.eval_device = there;
    return workload_of(config, cuda, 1).evaluates_elsewhere;
  };
  EXPECT_FALSE(elsewhere("cuda:1", "auto", true));
  EXPECT_FALSE(elsewhere("cuda:0", "cuda", true));
  EXPECT_TRUE(elsewhere("cuda:0", "cuda:1", true));
  EXPECT_TRUE(elsewhere("cuda:0", "cpu", true));
  EXPECT_TRUE(elsewhere("cpu", "cuda:0", false));
  EXPECT_FALSE(elsewhere("cpu", "cpu", false));
}

TEST(Planner, AnUnknownGpuIsAnErrorThatSaysWhatToGive) {
  const std::string error = testing::error_text([] { gpu_rates("rtx9999"); });
  EXPECT_NE(error.find("'rtx9999' is no NVIDIA card"), std::string::npos) << error;
  EXPECT_NE(error.find("--gpu=8GiB"), std::string::npos) << error;
  EXPECT_EQ(gpu_rates("NVIDIA GeForce RTX 4060 Ti").name, "RTX 4060 Ti");
}

}  // namespace
}  // namespace gpt
