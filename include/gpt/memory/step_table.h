// The table: every allocation of a training step and of an evaluation, at the moments at which
// they may peak. An engine is described by the functions of one file, src/memory/*_table.cpp.
#pragma once

#include "gpt/config/plan.h"
#include "gpt/memory/breakdown.h"
#include "gpt/memory/workload.h"

namespace gpt {

// Bytes of CUDA's own on a card: a context with lazily loaded modules, outside the caching
// allocator.
inline constexpr std::int64_t kCudaContext = std::int64_t{350} << 20;

// The same of NCCL's channels between processes: an estimate, no card has been asked yet.
inline constexpr std::int64_t kNcclBuffers = std::int64_t{400} << 20;

// From the first forward to the update; at least one phase. Counts what the device's allocator
// counts, rounding included.
Phases step_phases(const Workload& workload, const Plan& plan);

// One piece of an evaluation, on the device that trains: what training holds stays.
Phases evaluation_phases(const Workload& workload, const Plan& plan);

// A decoder that reads `texts` of block_size tokens at a time for tasks, or one for a sample.
Phases decoder_phases(const Workload& workload, const Plan& plan, std::int64_t texts);

// What a step takes that statistics look at, besides what every step does.
Phases statistics_phases(const Workload& workload, const Plan& plan);

// The first sequences of a step that statistics of activations look at: a batch, but no more than
// some 8,192 tokens, since the pass for it computes in float32; the same however the step is cut.
std::int64_t statistics_sequences(std::int64_t batch_size, std::int64_t block_size);
// And how many of a micro-batch they read at a time.
std::int64_t statistics_sequences_at_once(std::int64_t block_size);

// What a run is looked at by, with one text at a time; empty if there is nothing of it.
Phases monitor_phases(const Workload& workload, const Plan& plan);

// Bytes that the host holds for a device: the optimizer's state and weights that are offloaded, and
// on a GPU the copy that checkpoints are written from.
std::int64_t host_bytes(const Workload& workload, const Plan& plan);

// Workspaces of CUDA's libraries; 0 on the CPU.
std::int64_t library_bytes(const Workload& workload);

}  // namespace gpt
