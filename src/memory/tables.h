// What the engines' tables share. Names of sizes: B/token means bytes per token.
#pragma once

#include "gpt/memory/step_table.h"

namespace gpt {

// What a tensor of `bytes` counts for in the device's allocator.
std::int64_t block_bytes(const Workload& workload, std::int64_t bytes);

// One tensor like each parameter: all of them, or the blocks' from `first` on (and ln_f).
std::int64_t like_parameters(const Workload& workload, std::int64_t bytes_each);
std::int64_t like_blocks(const Workload& workload, std::int64_t blocks, std::int64_t bytes_each);
std::int64_t like_block_matrices(const Workload& workload, std::int64_t bytes_each);  // one block's
std::int64_t like_final_norm(const Workload& workload, std::int64_t bytes_each);
std::int64_t embedding_bytes(const Workload& workload);  // wte in float32

// Weights, AdamW's moments (or their staging), CUDA's context and margin: there all the time.
MemoryBreakdown persistent_memory(const Workload& workload, const Plan& plan);

// With what a caching allocator loses: rounding up of large blocks and holes between them.
Phases with_margin(const Workload& workload, Phases phases);

// Tokens, targets and losses of a step in pieces of `sequences`.
std::int64_t batch_bytes(const Workload& workload, std::int64_t sequences, std::int64_t pieces);

// The eager engine: modules, autograd, autocast.
Phases eager_step(const Workload& workload, const Plan& plan);
Phases eager_evaluation(const Workload& workload, const Plan& plan);

// The fused engine of the CPU.
Phases cpu_step(const Workload& workload, const Plan& plan);
Phases cpu_evaluation(const Workload& workload, const Plan& plan);

// The fused engine on tensors, a GPU's.
Phases tensor_step(const Workload& workload, const Plan& plan);
Phases tensor_evaluation(const Workload& workload, const Plan& plan);
MemoryBreakdown tensor_between_steps(const Workload& workload, const Plan& plan);

}  // namespace gpt
