// What a run holds while it is looked at: tasks and samples, which a decoder reads between two
// steps (src/sampling/decoder.cpp), and statistics within one (src/train/step_statistics.cpp).
#include <algorithm>

#include "tables.h"

namespace gpt {

namespace {

MemoryBreakdown between_steps(const Workload& workload, const Plan& plan) {
  MemoryBreakdown live;
  if (workload.engine == EngineKind::kCpu) {
    live = cpu_evaluation(workload, plan).front().live;
  } else if (workload.engine == EngineKind::kTensor) {
    live = tensor_between_steps(workload, plan);
  } else {
    live = persistent_memory(workload, plan);
    live[MemoryKind::kGradients] = like_parameters(workload, 4);
    live[MemoryKind::kWorkspace] = library_bytes(workload);
  }
  live[MemoryKind::kBatch] = batch_bytes(workload, plan.micro_batch, workload.pieces(plan));
  return live;
}

// Of a forward pass that keeps nothing, B/token: x, its sum with attention, the LayerNorm's output,
// c_fc's and GELU's, c_proj's; next to them what is cast for the matmuls.
std::int64_t pass_bytes(const Workload& workload) {
  const std::int64_t cast = workload.type_bytes == 4 ? 0 : 5 * workload.type_bytes;
  return (48 + cast) * workload.width;
}

}  // namespace

Phases decoder_phases(const Workload& workload, const Plan& plan, std::int64_t texts) {
  const std::int64_t C = workload.width, T = workload.block, V = workload.vocab;
  const std::int64_t s = workload.type_bytes, tokens = texts * T;
  MemoryBreakdown live = between_steps(workload, plan);
  // Float32 weights are shared with training.
  if (s != 4)
    live[MemoryKind::kCopies] += s * (V * C + workload.layers * workload.block_matrices());
  MemoryBreakdown block = live, scores = live, samples = live;
  block[MemoryKind::kWorkspace] += pass_bytes(workload) * tokens;
  if (workload.documents) {  // what is seen, and what is not, on its way to that
    block[MemoryKind::kWorkspace] += (s + 1) * T * tokens;
    samples[MemoryKind::kWorkspace] += (s + 1) * T * T;
  }
  const std::int64_t chunk = std::min(plan.head_chunk, tokens);
  scores[MemoryKind::kWorkspace] += 8 * C * tokens;
  // Logits, and a step of their logsumexp.
  scores[MemoryKind::kHead] += chunk * (s * C + 8 * V);
  samples[MemoryKind::kWorkspace] += pass_bytes(workload) * T + 2 * s * workload.layers * T * C;
  samples[MemoryKind::kHead] += 32 * V;  // logits and probabilities on their way to a token
  return {{"tasks: block", block}, {"tasks: LM head", scores}, {"samples", samples}};
}

std::int64_t statistics_sequences(std::int64_t batch_size, std::int64_t block_size) {
  constexpr std::int64_t kTokens = 8192;
  return std::min(batch_size, std::max<std::int64_t>(1, kTokens / block_size));
}

std::int64_t statistics_sequences_at_once(std::int64_t block_size) {
  constexpr std::int64_t kTokens = 1024;
  return std::max<std::int64_t>(1, kTokens / block_size);
}

Phases statistics_phases(const Workload& workload, const Plan& plan) {
  constexpr std::int64_t kQueries = 64;
  const std::int64_t T = workload.block, C = workload.width;
  const std::int64_t sequences = std::min(
      {plan.micro_batch, statistics_sequences(workload.batch, T), statistics_sequences_at_once(T)});
  // Of every hidden unit, whether it is dead: the sums, and those of a pass.
  const std::int64_t sums = 8 * workload.layers * (4 * C + workload.heads);
  MemoryBreakdown activations = between_steps(workload, plan), updates = activations;
  activations[MemoryKind::kWorkspace] +=
      (48 * C + 13 * workload.heads * kQueries) * T * sequences + 3 * sums;
  updates[MemoryKind::kWorkspace] += sums;
  updates[MemoryKind::kWorkspace] += like_parameters(workload, 4);  // the weights before
  if (workload.cuda && plan.offload == Offload::kWeights)
    updates[MemoryKind::kWorkspace] -= 4 * workload.layers * workload.block_matrices();
  return {{"statistics: activations", activations}, {"statistics: updates", updates}};
}

Phases monitor_phases(const Workload& workload, const Plan& plan) {
  Phases phases;
  if (workload.decodes) phases = decoder_phases(workload, plan, /*texts=*/1);
  if (workload.statistics)
    for (const Phase& phase : statistics_phases(workload, plan)) phases.push_back(phase);
  return with_margin(workload, std::move(phases));
}

}  // namespace gpt
