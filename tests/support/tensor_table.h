// What the plan foresees of the tensor engine's memory, against what its tensors take.
#pragma once

#include <cmath>
#include <cstdio>
#include <functional>

#include "gpt/config/recompute.h"
#include "gpt/device/memory.h"
#include "gpt/kernels/device_choices.h"
#include "gpt/memory/step_table.h"
#include "gpt/model/engines.h"

#include "support/engine_cases.h"

namespace gpt::testing {

struct TableCase {
  const char* name;
  std::int64_t layers, heads, width, block, micro, vocab, chunk;
  at::ScalarType type;
  bool plain;
  double dropout;
  bool documents = false;
  bool tiled = false;  // attention with dropout or documents
};

inline std::ostream& operator<<(std::ostream& out, const TableCase& c) {
  return out << c.name;
}

inline Workload workload_of(const TableCase& c, bool cuda) {
  Workload workload;
  workload.layers = c.layers, workload.heads = c.heads, workload.width = c.width;
  workload.block = c.block, workload.vocab = c.vocab;
  workload.plain_attention = c.plain || (c.documents && !c.tiled), workload.dropout = c.dropout > 0;
  workload.documents = c.documents;
  workload.tiled_attention = c.tiled;
  workload.batch = c.micro;
  workload.type_bytes = static_cast<std::int64_t>(c10::elementSize(c.type));
  workload.engine = EngineKind::kTensor;
  workload.cuda = cuda;
  return workload;
}

struct EnginePeaks {
  double step, evaluation;
};

// Weights, gradients and all that a step and an evaluation take in addition to them.
inline EnginePeaks measured_peaks(const TableCase& c, Recompute level, const c10::Device& device) {
  EngineCase of;
  of.model.n_layer = c.layers, of.model.n_head = c.heads, of.model.n_embd = c.width;
  of.model.dropout = c.dropout, of.model.head_chunk.value = c.chunk;
  if (c.plain) of.model.attention = "plain";
  of.recompute = recompute_name(level);
  auto g = generator(1);
  const at::Tensor x = at::randint(c.vocab, {c.micro, c.block}, g, at::kLong).to(device);
  const DropoutState dropout{
      .on = c.dropout > 0, .p = c.dropout, .seed = 1, .step = 0, .sequence_B = at::arange(c.micro)};
  reset_peak_memory(device);
  const std::uint64_t before = memory_use(device).tensors_peak;
  Gpt model(of.model, c.vocab, c.block, g);
  model.to(device);
  const auto engine = make_tensor_engine(config_of(of), model, {device, c.type});
  if (c.tiled) set_device_choices(DeviceChoices{.tiled_attention = true});
  if (c.documents) engine->mask_documents(/*end_token=*/7);
  const auto peak_of = [&](const std::function<void()>& work) {
    work();  // copies and gradients, which stay, and what libraries make once
    reset_peak_memory(device);
    work();
    return static_cast<double>(memory_use(device).tensors_peak - before);
  };
  const EnginePeaks peaks{peak_of([&] { engine->accumulate(x, x, {}, dropout); }),
                          peak_of([&] { engine->token_losses(x, x); })};
  if (c.tiled) set_device_choices(std::nullopt);
  return peaks;
}

// The optimizer and the tokens are not in it, only the losses; nor the workspaces of libraries,
// which are made once for a process.
inline double predicted_peak(const TableCase& c, const Workload& workload, const Phases& phases) {
  MemoryBreakdown live = peak_of(phases).live;
  live[MemoryKind::kOptimizer] = 0;
  live[MemoryKind::kWorkspace] -= library_bytes(workload);
  live[MemoryKind::kBatch] = (c.documents ? 12 : 4) * c.micro * c.block;
  return static_cast<double>(live.tensors());
}

inline void expect_peaks_as_planned(const TableCase& c, const c10::Device& device) {
  const Workload workload = workload_of(c, device.is_cuda());
  for (const Recompute level : kRecomputeLevels) {
    const EnginePeaks measured = measured_peaks(c, level, device);
    const Plan plan{
        .recompute = level, .micro_batch = c.micro, .head_chunk = c.chunk, .eval_batch = c.micro};
    const auto compare = [&](const Phases& phases, double actual) {
      const double off = predicted_peak(c, workload, phases) / actual - 1;
      EXPECT_LT(std::abs(off), 0.03) << c.name << ", " << recompute_name(level);
      std::printf("%-20s %-6s %-42s %11.0f B, predicted %+.2f %%\n", c.name, recompute_name(level),
                  peak_of(phases).name.c_str(), actual, 100 * off);
    };
    compare(step_phases(workload, plan), measured.step);
    compare(evaluation_phases(workload, plan), measured.evaluation);
  }
}

}  // namespace gpt::testing
