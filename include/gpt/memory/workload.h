// What has to be computed, and so has to fit: a model, a batch, a precision and an engine.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "gpt/config/plan.h"
#include "gpt/config/train_config.h"
#include "gpt/kernels/ops/muon_update.h"
#include "gpt/model/engine_kind.h"
#include "gpt/model/parameter_table.h"

namespace gpt {

struct Workload {
  std::int64_t layers = 0, heads = 0, width = 0, block = 0, vocab = 0;
  bool bias = false, dropout = false;
  bool plain_attention = false;   // (B, H, T, T) scores in memory, always: requested, or no kernel
  bool tiled_attention = false;   // with dropout, no scores in memory (device_choices.h)
  bool documents = false;         // attention does not cross them
  std::int64_t batch = 0;         // sequences in a batch
  std::int64_t accumulation = 1;  // batches in a step
  // The processes that share a step's sequences, and whether they share the optimizer's state, too
  // (ZeRO, stage 1).
  std::int64_t processes = 1;
  bool spread_optimizer = false;
  bool copies_state = false;         // checkpoints are written from a copy (async_checkpoints)
  std::int64_t type_bytes = 4;       // of the compute type
  bool muon = false;                 // updates the blocks' matrices
  std::int64_t muon_type_bytes = 4;  // of what its iteration computes in
  bool cuda = false;
  bool evaluates_elsewhere = false;  // eval_device is another device
  EngineKind engine = EngineKind::kEager;
  bool decodes = false;     // for tasks or samples, between two steps
  bool statistics = false;  // of some steps
  bool graphs = false;      // a step is recorded, and keeps its working memory
  std::int64_t threads = 1;
  // What each of a GPU's libraries of matmuls holds; smaller on cards before Hopper.
  std::int64_t workspace = std::int64_t{32} << 20;
  bool deterministic = false;  // cuBLAS then holds the same on every card
  // Bytes that a GPU's offloading may take of the host's memory.
  std::int64_t host_memory = std::numeric_limits<std::int64_t>::max();

  // cuBLAS's, which ATen's matmuls use.
  std::int64_t cublas_workspace() const;
  // Training writes the scores out for dropout as well, unless the tiled kernel takes it.
  bool writes_out_scores() const { return dropout ? !tiled_attention : plain_attention; }
  // Sequences of a step, and of an evaluation's batch, that a process computes at most: one plan is
  // for all of them.
  std::int64_t effective() const { return (batch * accumulation + processes - 1) / processes; }
  std::int64_t evaluated() const { return (batch + processes - 1) / processes; }
  // Micro-batches of a step.
  std::int64_t pieces(const Plan& plan) const {
    return (effective() + plan.micro_batch - 1) / plan.micro_batch;
  }
  // Parameters: all, those of matrices in blocks (cast to the compute type), and one block's.
  std::int64_t parameters() const;
  std::int64_t block_parameters() const;
  std::int64_t block_matrices() const;  // weights of the four matmuls of one block
  // Those that have AdamW's moments.
  std::int64_t adamw_parameters() const {
    return parameters() - (muon ? layers * block_matrices() : 0);
  }

  // What Muon does in the process that has most of it to do.
  struct MuonShare {
    std::vector<MatrixShape> matrices;
    std::int64_t elements = 0;
    double flops = 0;
  };
  MuonShare muon_share() const;

  // What can be offloaded: the weights only where matmuls are computed from copies of them.
  Offload most_offload() const {
    return engine == EngineKind::kTensor && type_bytes != 4 ? Offload::kWeights : Offload::kMoments;
  }
};

// vocab_size and dtype must be settled ("bfloat16", not "auto"); `cuda`: the device is a GPU, of
// this compute capability (86: 8.6).
Workload workload_of(const TrainConfig& config, bool cuda, std::int64_t threads,
                     int capability = 80, std::int64_t processes = 1);

}  // namespace gpt
