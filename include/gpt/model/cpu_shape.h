// How the CPU's fused engine cuts its work, and the memory that follows: what a group of sequences
// needs from its forward pass to the end of its backward pass, in one arena. Groups follow each
// other in it, so it does not grow with the batch.
#pragma once

#include <cstdint>

#include "gpt/config/recompute.h"

namespace gpt {

struct CpuShape {
  std::int64_t layers, heads, width, vocab;
  std::int64_t parameters = 0;  // of all weights
  std::int64_t tokens = 0;      // of a sequence, T
  std::int64_t group = 0;       // tokens of a group, a multiple of T
  std::int64_t head_chunk = 0;  // tokens whose logits exist at once
  // Of packed weights that the threads of a group share (weight_blocks.h); 0: they do not.
  std::int64_t weight_block_bytes = 0;
  int threads = 1;         // that work on a group together
  int groups = 1;          // at once, each in an arena of its own
  bool gradients = true;   // false: the layers share one layer's memory
  bool low = false;        // bfloat16 matmuls
  bool documents = false;  // attention takes the documents of a sequence one by one
  Recompute recompute = Recompute::kNone;
};

// Do threads share every layer of a model of so many parameters, or of a single sequence? Otherwise
// each takes whole sequences through it, with gradients of its own that are added up at the end,
// even where there are fewer sequences than threads: a small model's layers have too little to
// share.
bool cpu_threads_share(std::int64_t parameters, std::int64_t sequences, int threads);

// Bytes of the weights that are kept packed for the native GEMM (gpt/kernels/gemm/gemm_backend.h),
// as matrix B of forward and of backward: those of a small model, where packing them for every
// group would take much of what it gains. 0 for others, where MKL computes the GEMMs, and where
// memory is scarce enough for recomputation. They change no bit of a result.
std::int64_t cpu_packed_bytes(const CpuShape& shape);

// `shape` with the cut of a batch of `sequences` sequences of `tokens` tokens for threads that work
// together, or each for itself. head_chunk: tokens whose logits may exist at once.
CpuShape cpu_shape(CpuShape shape, bool together, std::int64_t sequences, std::int64_t tokens,
                   std::int64_t head_chunk, int threads);

// Bytes of one group's arena; there are shape.groups.
std::int64_t cpu_arena_bytes(const CpuShape& shape);

}  // namespace gpt
