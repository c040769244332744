#include "tables.h"

#include <algorithm>
#include <utility>

#include "gpt/device/cpu_memory.h"
#include "gpt/kernels/cpu/muon_update.h"

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

// The optimizer's step counts, one a parameter.
std::int64_t count_bytes(const Workload& workload) {
  std::int64_t tensors_per_block = 0;
  for_each_block_parameter(workload.bias, [&](const BlockParameter&) { ++tensors_per_block; });
  const std::int64_t tensors = 2 + workload.layers * tensors_per_block + (workload.bias ? 2 : 1);
  return tensors * block_bytes(workload, 4);
}

// Weights, state and counts as in a checkpoint, whole, whichever process holds what of them.
std::int64_t copy_bytes(const Workload& workload) {
  if (!workload.copies_state) return 0;
  // Muon has one tensor for a matrix instead of two.
  const std::int64_t fewer = workload.muon ? workload.layers * like_block_matrices(workload, 4) : 0;
  return 3 * like_parameters(workload, 4) - fewer + count_bytes(workload);
}

// Two halves of a buffer for each of so many kinds of tensors.
std::int64_t streaming_bytes(const Workload& workload, std::int64_t half, std::int64_t kinds) {
  return 2 * kinds * block_bytes(workload, 4 * ((half + 63) / 64 * 64));
}

constexpr std::int64_t kHalf = 4 << 20;

// Muon's momentum, the memory of its iteration, and what both pass through.
std::int64_t muon_bytes(const Workload& workload, const Plan& plan) {
  if (!workload.muon) return 0;
  const Workload::MuonShare share = workload.muon_share();
  std::int64_t momentum = 0, largest = 0;
  for (const MatrixShape& shape : share.matrices) {
    momentum += 4 * shape.elements();
    largest = std::max(largest, shape.elements());
  }
  const std::int64_t scratch = block_bytes(
      workload,
      workload.cuda
          ? workload.muon_type_bytes * tensor_muon_elements(share.matrices)
          : cpu_muon_bytes(share.matrices, workload.type_bytes == 4 ? at::kFloat : at::kBFloat16,
                           static_cast<int>(workload.threads)));
  if (plan.offload == Offload::kOff) return scratch + momentum;
  const std::int64_t half = std::max(largest, std::min(kHalf, share.elements));
  return scratch + streaming_bytes(workload, half, plan.offload == Offload::kWeights ? 2 : 1) +
         (workload.cuda ? 0 : momentum);
}

std::int64_t optimizer_bytes(const Workload& workload, const Plan& plan) {
  const std::int64_t processes = workload.spread_optimizer ? workload.processes : 1;
  std::int64_t moments = 2 * like_parameters(workload, 4);
  if (workload.muon) moments -= 2 * workload.layers * like_block_matrices(workload, 4);
  moments /= processes;
  const std::int64_t others = muon_bytes(workload, plan) + count_bytes(workload);
  if (plan.offload == Offload::kOff) return others + moments;
  // A CPU's host is itself. With Muon, weights on the host are its own.
  const std::int64_t half = std::min(kHalf, workload.adamw_parameters());
  const bool weights = plan.offload == Offload::kWeights && !workload.muon;
  return others + streaming_bytes(workload, half, weights ? 3 : 2) + (workload.cuda ? 0 : moments);
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

std::int64_t like_block_matrices(const Workload& workload, std::int64_t bytes_each) {
  std::int64_t one = 0;
  for_each_block_parameter(workload.bias, [&](const BlockParameter& parameter) {
    if (is_gemm_weight(parameter.role))
      one += vector_bytes(workload, parameter.elements(workload.width), bytes_each);
  });
  return one;
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
  if (!workload.cuda) live[MemoryKind::kCheckpoint] = copy_bytes(workload);
  if (workload.cuda) live[MemoryKind::kContext] = kCudaContext;
  if (workload.cuda && workload.processes > 1) live[MemoryKind::kContext] += kNcclBuffers;
  return live;
}

// cuBLASLt's is that of kernels/cuda/matmul_cuda.cpp, for half types. ATen's matmuls, which take
// cuBLAS's, are those in float32, of modules, of Muon, and of scores that are written out; a thread
// has its own, and autograd's backward runs in another.
std::int64_t library_bytes(const Workload& workload) {
  if (!workload.cuda) return 0;
  const bool half = workload.type_bytes != 4;
  std::int64_t aten = !half || workload.writes_out_scores() ? 1 : 0;
  if (workload.muon) aten = 1;
  if (workload.engine == EngineKind::kEager) aten = 2;
  return aten * workload.cublas_workspace() + (half ? workload.workspace : 0);
}

namespace {

// Where the document of each token begins, or what the eager engine adds to its scores; the CPU's
// fused engine looks at the tokens themselves.
std::int64_t document_bytes(const Workload& workload, std::int64_t tokens) {
  switch (workload.engine) {
    case EngineKind::kEager:
      return block_bytes(workload, tokens * workload.block * workload.type_bytes);
    case EngineKind::kTensor:
      return block_bytes(workload, 8 * tokens);
    case EngineKind::kCpu:
      break;
  }
  return 0;
}

}  // namespace

std::int64_t batch_bytes(const Workload& workload, std::int64_t sequences, std::int64_t pieces) {
  // Tokens and targets, int64: the piece at hand and, on the CPU, those that the feed has made or
  // is making; a GPU's wait in the host's memory.
  const std::int64_t waiting = workload.cuda ? 1 : std::min<std::int64_t>(4, 2 * pieces);
  const std::int64_t tokens = sequences * workload.block;
  const std::int64_t documents = workload.documents ? document_bytes(workload, tokens) : 0;
  return waiting * 2 * block_bytes(workload, 8 * tokens) + block_bytes(workload, 4 * tokens) +
         block_bytes(workload, 4 * workload.effective() * workload.block) + documents;
}

std::int64_t host_bytes(const Workload& workload, const Plan& plan) {
  const std::int64_t copy = workload.cuda ? copy_bytes(workload) : 0;
  if (plan.offload == Offload::kOff) return copy;
  return copy +
         8 * workload.adamw_parameters() / (workload.spread_optimizer ? workload.processes : 1) +
         4 * workload.muon_share().elements +
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
