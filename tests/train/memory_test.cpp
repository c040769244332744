// The promise of the plan: what it foresees is what the counting allocator measures, within 3 %.
// What libraries take while they compute is not in it.
#include <cmath>

#include <gtest/gtest.h>

#include "gpt/device/cpu_memory.h"
#include "gpt/memory/planner.h"

#include "support/thread_count.h"
#include "support/tiny_run.h"
#include "support/without_onednn.h"

namespace gpt {
namespace {

struct Case {
  const char* name;
  EngineKind engine;
  std::int64_t layers, heads, width, block, batch, accumulation, vocab;
  bool bias;
  double dropout;
  const char* dtype;
  Recompute recompute;
  std::int64_t micro, chunk;
  Offload offload;
  int threads = 2;
  const char* optimizer = "adamw";
  bool copy = false;  // async_checkpoints
  bool documents = false;
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << c.name;
}

constexpr EngineKind kEager = EngineKind::kEager, kFused = EngineKind::kCpu;

class PredictedPeak : public ::testing::TestWithParam<Case> {};

TrainConfig config_of(const Case& c, const testing::TempDir& dir) {
  TrainConfig config = testing::tiny_config(dir);
  config.model.n_layer = c.layers, config.model.n_head = c.heads, config.model.n_embd = c.width;
  config.model.bias = c.bias, config.model.dropout = c.dropout;
  config.model.vocab_size.value = c.vocab;
  config.model.head_chunk.value = c.chunk;
  config.data.block_size = c.block, config.data.batch_size = c.batch;
  config.data.gradient_accumulation_steps = c.accumulation;
  config.data.micro_batch_size.value = c.micro;
  config.data.eval_batch_size.value = c.micro;
  config.memory.recompute = recompute_name(c.recompute);
  config.memory.optimizer_offload = offload_name(c.offload);
  config.system.dtype = c.dtype;
  config.optimizer.optimizer = c.optimizer;
  config.system.compile = c.engine != EngineKind::kEager;
  config.io.eval_iters = 1;
  config.io.async_checkpoints = c.copy;
  config.data.document_mask = c.documents;
  return config;
}

double off(std::int64_t predicted, std::uint64_t measured) {
  return static_cast<double>(predicted) / static_cast<double>(measured) - 1;
}

TEST_P(PredictedPeak, IsWithinThreePercentOfTheMeasured) {
  const Case& c = GetParam();
  const testing::ThreadCount threads(c.threads);
  const testing::WithoutOneDnn without_onednn;
  install_cpu_memory();
  const testing::TempDir dir;
  const TrainConfig config = config_of(c, dir);
  const bool low = std::string(c.dtype) == "bfloat16";
  const std::uint64_t before = cpu_memory_now();
  testing::TinyRun run(config, {}, {c10::Device(c10::kCPU), low ? at::kBFloat16 : at::kFloat});
  const Workload workload = workload_of(config, /*cuda=*/false, c.threads);
  const Estimate plan =
      estimate_of(workload, {c.recompute, c.offload, c.micro, c.chunk, c.micro}, cpu_rates(1));
  run.trainer.step();  // libraries' first calls
  reset_cpu_memory_peak();
  run.trainer.step();
  const std::uint64_t train = cpu_memory_peak() - before;
  EXPECT_LT(std::abs(off(plan.train.live.tensors(), train)), 0.03)
      << plan.train.name << ": predicted " << plan.train.live.tensors() << ", measured " << train;

  run.batches.begin_step(/*evaluation_follows=*/true);
  for (std::int64_t i = 0; i < run.batches.micro_batches(); ++i) run.batches.take();
  run.batches.finish_step();
  reset_cpu_memory_peak();
  ASSERT_TRUE(estimate_loss(*run.engine, run.batches, run.group, 1,
                            [](std::int64_t, std::int64_t) { return true; }));
  const std::uint64_t eval = cpu_memory_peak() - before;
  EXPECT_LT(std::abs(off(plan.eval.live.tensors(), eval)), 0.03)
      << plan.eval.name << ": predicted " << plan.eval.live.tensors() << ", measured " << eval;
  std::printf(
      "%-22s train %8.3f MiB, predicted %8.3f (%+.2f %%); eval %8.3f, predicted %8.3f (%+.2f %%)\n",
      c.name, static_cast<double>(train) / 1048576,
      static_cast<double>(plan.train.live.tensors()) / 1048576,
      100 * off(plan.train.live.tensors(), train), static_cast<double>(eval) / 1048576,
      static_cast<double>(plan.eval.live.tensors()) / 1048576,
      100 * off(plan.eval.live.tensors(), eval));
}

INSTANTIATE_TEST_SUITE_P(
    Configs, PredictedPeak,
    ::testing::Values(Case{"deep, small vocab", kEager, 6, 4, 64, 64, 12, 1, 65, false, 0,
                           "float32", Recompute::kNone, 12, 768, Offload::kOff},
                      Case{"wide, uneven pieces", kEager, 2, 6, 192, 96, 7, 2, 1000, true, 0,
                           "float32", Recompute::kBlock, 5, 200, Offload::kOff},
                      Case{"bfloat16", kEager, 4, 4, 128, 128, 8, 1, 512, false, 0, "bfloat16",
                           Recompute::kBlock, 8, 256, Offload::kOff},
                      Case{"large vocab", kEager, 2, 2, 64, 100, 6, 1, 20000, true, 0, "float32",
                           Recompute::kBlock, 3, 128, Offload::kOff},
                      Case{"dropout", kEager, 3, 4, 64, 128, 4, 3, 61, false, 0.2, "float32",
                           Recompute::kNone, 4, 128, Offload::kOff},
                      Case{"long, whole blocks", kEager, 8, 2, 96, 256, 4, 1, 300, false, 0,
                           "float32", Recompute::kBlock, 2, 512, Offload::kOff},
                      Case{"bfloat16, none", kEager, 3, 3, 96, 64, 16, 2, 4000, true, 0, "bfloat16",
                           Recompute::kNone, 16, 300, Offload::kOff},
                      Case{"bfloat16, blocks", kEager, 5, 4, 128, 64, 16, 1, 61, false, 0,
                           "bfloat16", Recompute::kBlock, 16, 64, Offload::kOff},
                      Case{"offloaded", kEager, 4, 4, 128, 64, 8, 1, 65, false, 0, "float32",
                           Recompute::kBlock, 8, 512, Offload::kMoments},
                      Case{"dropout, blocks", kEager, 3, 4, 64, 128, 6, 1, 61, true, 0.1, "float32",
                           Recompute::kBlock, 6, 128, Offload::kOff},
                      Case{"bfloat16, dropout", kEager, 3, 4, 64, 128, 6, 2, 61, true, 0.1,
                           "bfloat16", Recompute::kNone, 6, 128, Offload::kOff},
                      Case{"bfloat16, dropout, blocks", kEager, 3, 4, 64, 128, 6, 2, 61, true, 0.1,
                           "bfloat16", Recompute::kBlock, 6, 128, Offload::kOff},
                      Case{"fused", kFused, 6, 4, 64, 64, 12, 1, 65, false, 0, "float32",
                           Recompute::kNone, 12, 768, Offload::kOff},
                      Case{"fused, wide", kFused, 2, 6, 192, 96, 7, 2, 1000, true, 0, "float32",
                           Recompute::kGelu, 5, 200, Offload::kOff},
                      Case{"fused, bfloat16", kFused, 4, 4, 128, 128, 8, 1, 512, false, 0,
                           "bfloat16", Recompute::kNorm, 8, 64, Offload::kOff},
                      Case{"fused, together", kFused, 6, 4, 256, 128, 12, 1, 3000, true, 0.1,
                           "float32", Recompute::kNone, 12, 256, Offload::kOff},
                      Case{"fused, bfloat16 blocks", kFused, 8, 4, 256, 256, 6, 2, 1000, false, 0,
                           "bfloat16", Recompute::kBlock, 3, 256, Offload::kOff},
                      Case{"fused, one sequence", kFused, 2, 4, 128, 128, 1, 1, 65, true, 0,
                           "float32", Recompute::kNone, 1, 128, Offload::kOff},
                      Case{"fused, idle threads", kFused, 4, 4, 64, 64, 9, 1, 65, true, 0,
                           "float32", Recompute::kNone, 3, 128, Offload::kOff, /*threads=*/7},
                      Case{"fused, one left", kFused, 2, 4, 128, 64, 7, 1, 65, true, 0, "float32",
                           Recompute::kNone, 3, 64, Offload::kOff, /*threads=*/5},
                      Case{"fused, Muon", kFused, 4, 4, 128, 64, 12, 1, 65, false, 0, "float32",
                           Recompute::kNone, 12, 64, Offload::kOff, 2, "muon"},
                      Case{"fused, Muon, wide, threads", kFused, 3, 4, 192, 64, 6, 1, 300, true, 0,
                           "bfloat16", Recompute::kNone, 6, 64, Offload::kOff, 5, "muon"},
                      Case{"fused, Muon, offloaded", kFused, 3, 4, 128, 64, 8, 1, 65, true, 0,
                           "float32", Recompute::kNone, 8, 64, Offload::kMoments, 2, "muon"},
                      Case{"Muon", kEager, 3, 4, 64, 64, 6, 1, 61, false, 0, "float32",
                           Recompute::kNone, 6, 64, Offload::kOff, 2, "muon"},
                      Case{"fused, offloaded", kFused, 4, 4, 128, 64, 8, 1, 65, false, 0.2,
                           "float32", Recompute::kMlp, 8, 512, Offload::kMoments},
                      Case{"fused, checkpoint copy", kFused, 4, 4, 128, 64, 8, 1, 65, true, 0,
                           "float32", Recompute::kNone, 8, 512, Offload::kOff, 2, "adamw", true},
                      Case{"fused, Muon, checkpoint copy", kFused, 4, 4, 128, 64, 8, 1, 65, true, 0,
                           "float32", Recompute::kNone, 8, 512, Offload::kOff, 2, "muon", true},
                      Case{"checkpoint copy", kEager, 4, 4, 128, 64, 8, 1, 65, false, 0, "float32",
                           Recompute::kNone, 8, 512, Offload::kOff, 2, "adamw", true},
                      Case{"documents",
                           kEager,
                           2,
                           2,
                           16,
                           512,
                           2,
                           1,
                           50304,
                           false,
                           0,
                           "float32",
                           Recompute::kNone,
                           2,
                           64,
                           Offload::kOff,
                           2,
                           "adamw",
                           false,
                           true},
                      Case{"documents, dropout",
                           kEager,
                           2,
                           2,
                           16,
                           256,
                           2,
                           1,
                           50304,
                           false,
                           0.2,
                           "bfloat16",
                           Recompute::kNone,
                           2,
                           64,
                           Offload::kOff,
                           2,
                           "adamw",
                           false,
                           true},
                      Case{"fused, documents",
                           kFused,
                           2,
                           1,
                           64,
                           512,
                           2,
                           1,
                           50304,
                           false,
                           0,
                           "bfloat16",
                           Recompute::kNone,
                           2,
                           16,
                           Offload::kOff,
                           2,
                           "adamw",
                           false,
                           true}));

}  // namespace
}  // namespace gpt
