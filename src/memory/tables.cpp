#include "tables.h"

#include <algorithm>
#include <utility>

#include "gpt/device/cpu_memory.h"

namespace gpt {

namespace {

constexpr std::int64_t kMebi = std::int64_t{1} << 20;

std::int64_t vector_bytes(const Workload& workload, std::int64_t elements,
                          std::int64_t bytes_each) {
  return block_bytes(workload, elements * bytes_each);
}

std::int64_t weights_on_host(const Workload& workload) {
  return 4 * workload.layers * workload.block_matrices();
}

std::int64_t optimizer_bytes(const Workload& workload, const Plan& plan) {
  std::int64_t tensors_per_block = 0;
  for_each_block_parameter(workload.bias, [&](const BlockParameter&) { ++tensors_per_block; });
  const std::int64_t tensors = 2 + workload.layers * tensors_per_block + (workload.bias ? 2 : 1);
  const std::int64_t counts = tensors * block_bytes(workload, 4);
  const std::int64_t share = workload.spread_optimizer ? workload.processes : 1;
  const std::int64_t moments = 2 * like_parameters(workload, 4) / share;
  if (plan.offload == Offload::kOff) return counts + moments;
  // Two halves of a buffer for each moment, and for the weights; a CPU's host is itself.
  constexpr std::int64_t kHalf = 4 << 20;
  const std::int64_t half = (std::min(kHalf, workload.parameters()) + 63) / 64 * 64;
  const std::int64_t halves = plan.offload == Offload::kWeights ? 6 : 4;
  return counts + halves * block_bytes(workload, 4 * half) + (workload.cuda ? 0 : moments);
}

}  // namespace

std::int64_t block_bytes(const Workload& workload, std::int64_t bytes) {
  constexpr std::int64_t kCudaRounding = 512;
  if (!workload.cuda)
    return static_cast<std::int64_t>(cpu_block_bytes(static_cast<std::uint64_t>(bytes)));
  return (bytes + kCudaRounding - 1) / kCudaRounding * kCudaRounding;
}

std::int64_t like_blocks(const Workload& workload, std::int64_t blocks, std::int64_t bytes_each) {
  std::int64_t one = 0;
  for_each_block_parameter(workload.bias, [&](const BlockParameter& parameter) {
    one += vector_bytes(workload, parameter.elements(workload.width), bytes_each);
  });
  return blocks * one;
}

std::int64_t like_final_norm(const Workload& workload, std::int64_t bytes_each) {
  return (workload.bias ? 2 : 1) * vector_bytes(workload, workload.width, bytes_each);
}

std::int64_t like_parameters(const Workload& workload, std::int64_t bytes_each) {
  return vector_bytes(workload, workload.vocab * workload.width, bytes_each) +
         vector_bytes(workload, workload.block * workload.width, bytes_each) +
         like_blocks(workload, workload.layers, bytes_each) + like_final_norm(workload, bytes_each);
}

std::int64_t embedding_bytes(const Workload& workload) {
  return vector_bytes(workload, workload.vocab * workload.width, 4);
}

MemoryBreakdown persistent_memory(const Workload& workload, const Plan& plan) {
  MemoryBreakdown live;
  live[MemoryKind::kWeights] = like_parameters(workload, 4);
  if (plan.offload == Offload::kWeights && workload.cuda)
    live[MemoryKind::kWeights] -= weights_on_host(workload);
  live[MemoryKind::kOptimizer] = optimizer_bytes(workload, plan);
  if (workload.cuda) live[MemoryKind::kContext] = kCudaContext;
  if (workload.cuda && workload.processes > 1) live[MemoryKind::kContext] += kNcclBuffers;
  return live;
}

// cuBLASLt's is that of kernels/cuda/matmul_cuda.cpp, for half types. ATen's matmuls, which take
// cuBLAS's, are those in float32, of modules, and of scores that are written out; a thread has its
// own, and autograd's backward runs in another.
std::int64_t library_bytes(const Workload& workload) {
  if (!workload.cuda) return 0;
  const bool half = workload.type_bytes != 4;
  std::int64_t aten = !half || workload.writes_out_scores() ? 1 : 0;
  if (workload.engine == EngineKind::kEager) aten = 2;
  return aten * workload.cublas_workspace() + (half ? workload.workspace : 0);
}

std::int64_t batch_bytes(const Workload& workload, std::int64_t sequences, std::int64_t pieces) {
  // Tokens and targets, int64: the piece at hand and, on the CPU, those that the feed has made or
  // is making; a GPU's wait in the host's memory.
  const std::int64_t waiting = workload.cuda ? 1 : std::min<std::int64_t>(4, 2 * pieces);
  const std::int64_t tokens = sequences * workload.block;
  return waiting * 2 * block_bytes(workload, 8 * tokens) + block_bytes(workload, 4 * tokens) +
         block_bytes(workload, 4 * workload.effective() * workload.block);
}

std::int64_t host_bytes(const Workload& workload, const Plan& plan) {
  if (plan.offload == Offload::kOff) return 0;
  return 8 * workload.parameters() / (workload.spread_optimizer ? workload.processes : 1) +
         (plan.offload == Offload::kWeights ? weights_on_host(workload) : 0);
}

namespace {

struct Table {
  Phases (*step)(const Workload&, const Plan&);
  Phases (*evaluation)(const Workload&, const Plan&);
};

Table table_of(EngineKind engine) {
  switch (engine) {
    case EngineKind::kCpu:
      return {cpu_step, cpu_evaluation};
    case EngineKind::kTensor:
      return {tensor_step, tensor_evaluation};
    case EngineKind::kEager:
      break;
  }
  return {eager_step, eager_evaluation};
}

// The copies in which ShardedOptimizer's weights travel: small tensors share some of 32 MiB, of
// which three are under way.
std::int64_t exchange_bytes(const Workload& workload) {
  return std::min(3 * 32 * kMebi, 4 * workload.parameters());
}

}  // namespace

Phases with_margin(const Workload& workload, Phases phases) {
  constexpr std::int64_t kLeast = 64 * kMebi;
  constexpr std::int64_t kShare = 40;  // a fortieth
  if (workload.cuda)
    for (Phase& phase : phases)
      phase.live[MemoryKind::kMargin] = std::max(kLeast, phase.live.tensors() / kShare);
  return phases;
}

Phases step_phases(const Workload& workload, const Plan& plan) {
  Phases phases = table_of(workload.engine).step(workload, plan);
  if (workload.spread_optimizer) {
    phases.push_back({"exchange", phases.back().live});
    phases.back().live[MemoryKind::kOptimizer] += exchange_bytes(workload);
  }
  return with_margin(workload, std::move(phases));
}

Phases evaluation_phases(const Workload& workload, const Plan& plan) {
  if (workload.evaluates_elsewhere) {
    MemoryBreakdown live = persistent_memory(workload, plan);
    live[MemoryKind::kGradients] = like_parameters(workload, 4);
    live[MemoryKind::kWorkspace] = library_bytes(workload);
    if (workload.engine == EngineKind::kTensor) live = tensor_between_steps(workload, plan);
    live[MemoryKind::kBatch] =
        batch_bytes(workload, plan.eval_batch, 1);  // they come by way of this one
    return with_margin(workload, {{"evaluation on another device", live}});
  }
  return with_margin(workload, table_of(workload.engine).evaluation(workload, plan));
}

}  // namespace gpt
