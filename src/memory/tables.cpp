#include "tables.h"

#include <algorithm>

#include "gpt/device/cpu_memory.h"

namespace gpt {

namespace {

constexpr std::int64_t kMebi = std::int64_t{1} << 20;
// CUDA's own: a context with lazily loaded modules, outside the caching allocator.
constexpr std::int64_t kCudaContext = 350 * kMebi;

std::int64_t vector_bytes(const Problem& problem, std::int64_t elements, std::int64_t bytes_each) {
  return block_bytes(problem, elements * bytes_each);
}

std::int64_t weights_on_host(const Problem& problem) {
  return 4 * problem.layers * problem.block_matrices();
}

std::int64_t optimizer_bytes(const Problem& problem, const Choice& choice) {
  std::int64_t tensors_per_block = 0;
  for_each_block_parameter(problem.bias, [&](const BlockParameter&) { ++tensors_per_block; });
  const std::int64_t tensors = 2 + problem.layers * tensors_per_block + (problem.bias ? 2 : 1);
  const std::int64_t counts = tensors * block_bytes(problem, 4);
  const std::int64_t moments = 2 * like_parameters(problem, 4);
  if (choice.offload == Offload::kOff) return counts + moments;
  // Two halves of a buffer for each moment, and for the weights; a CPU's host is itself.
  constexpr std::int64_t kHalf = 4 << 20;
  const std::int64_t half = (std::min(kHalf, problem.parameters()) + 63) / 64 * 64;
  const std::int64_t halves = choice.offload == Offload::kWeights ? 6 : 4;
  return counts + halves * block_bytes(problem, 4 * half) + (problem.cuda ? 0 : moments);
}

}  // namespace

std::int64_t block_bytes(const Problem& problem, std::int64_t bytes) {
  constexpr std::int64_t kCudaRounding = 512;
  if (!problem.cuda)
    return static_cast<std::int64_t>(cpu_block_bytes(static_cast<std::uint64_t>(bytes)));
  return (bytes + kCudaRounding - 1) / kCudaRounding * kCudaRounding;
}

std::int64_t like_blocks(const Problem& problem, std::int64_t blocks, std::int64_t bytes_each) {
  std::int64_t one = 0;
  for_each_block_parameter(problem.bias, [&](const BlockParameter& parameter) {
    one += vector_bytes(problem, parameter.elements(problem.width), bytes_each);
  });
  return blocks * one;
}

std::int64_t like_final_norm(const Problem& problem, std::int64_t bytes_each) {
  return (problem.bias ? 2 : 1) * vector_bytes(problem, problem.width, bytes_each);
}

std::int64_t like_parameters(const Problem& problem, std::int64_t bytes_each) {
  return vector_bytes(problem, problem.vocab * problem.width, bytes_each) +
         vector_bytes(problem, problem.block * problem.width, bytes_each) +
         like_blocks(problem, problem.layers, bytes_each) + like_final_norm(problem, bytes_each);
}

std::int64_t embedding_bytes(const Problem& problem) {
  return vector_bytes(problem, problem.vocab * problem.width, 4);
}

MemoryBreakdown persistent_memory(const Problem& problem, const Choice& choice) {
  MemoryBreakdown live;
  live[MemoryKind::kWeights] = like_parameters(problem, 4);
  if (choice.offload == Offload::kWeights && problem.cuda)
    live[MemoryKind::kWeights] -= weights_on_host(problem);
  live[MemoryKind::kOptimizer] = optimizer_bytes(problem, choice);
  if (problem.cuda) live[MemoryKind::kContext] = kCudaContext;
  return live;
}

// cuBLASLt's is that of kernels/cuda/matmul_cuda.cpp, for half types. ATen's matmuls, which take
// cuBLAS's, are those in float32, of modules, and of scores that are written out; a thread has its
// own, and autograd's backward runs in another.
std::int64_t library_bytes(const Problem& problem) {
  if (!problem.cuda) return 0;
  const bool half = problem.type_bytes != 4;
  std::int64_t aten = !half || problem.writes_out_scores() ? 1 : 0;
  if (problem.engine == EngineKind::kEager) aten = 2;
  return (aten + (half ? 1 : 0)) * problem.workspace;
}

std::int64_t batch_bytes(const Problem& problem, std::int64_t sequences, std::int64_t pieces) {
  // Tokens and targets, int64: the piece at hand and, on the CPU, those that the feed has made or
  // is making; a GPU's wait in the host's memory.
  const std::int64_t waiting = problem.cuda ? 1 : std::min<std::int64_t>(4, 2 * pieces);
  const std::int64_t tokens = sequences * problem.block;
  return waiting * 2 * block_bytes(problem, 8 * tokens) + block_bytes(problem, 4 * tokens) +
         block_bytes(problem, 4 * problem.effective() * problem.block);
}

std::int64_t host_bytes(const Problem& problem, const Choice& choice) {
  if (choice.offload == Offload::kOff) return 0;
  return 8 * problem.parameters() +
         (choice.offload == Offload::kWeights ? weights_on_host(problem) : 0);
}

namespace {

struct Table {
  Phases (*step)(const Problem&, const Choice&);
  Phases (*evaluation)(const Problem&, const Choice&);
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

// What a caching allocator loses: rounding up of large blocks and holes between them.
Phases with_margin(const Problem& problem, Phases phases) {
  constexpr std::int64_t kLeast = 64 * kMebi;
  constexpr std::int64_t kShare = 40;  // a fortieth
  if (problem.cuda)
    for (Phase& phase : phases)
      phase.live[MemoryKind::kMargin] = std::max(kLeast, phase.live.tensors() / kShare);
  return phases;
}

}  // namespace

Phases step_phases(const Problem& problem, const Choice& choice) {
  return with_margin(problem, table_of(problem.engine).step(problem, choice));
}

Phases evaluation_phases(const Problem& problem, const Choice& choice) {
  if (problem.evaluates_elsewhere) {
    MemoryBreakdown live = persistent_memory(problem, choice);
    live[MemoryKind::kGradients] = like_parameters(problem, 4);
    live[MemoryKind::kWorkspace] = library_bytes(problem);
    if (problem.engine == EngineKind::kTensor) live = tensor_between_steps(problem, choice);
    live[MemoryKind::kBatch] =
        batch_bytes(problem, choice.eval_batch, 1);  // they come by way of this one
    return with_margin(problem, {{"evaluation on another device", live}});
  }
  return with_margin(problem, table_of(problem.engine).evaluation(problem, choice));
}

}  // namespace gpt
