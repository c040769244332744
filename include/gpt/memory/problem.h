// What has to fit: a model, a batch, a precision and an engine; and the choices that make it fit.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "gpt/config/offload.h"
#include "gpt/config/recompute.h"
#include "gpt/config/train_config.h"
#include "gpt/model/engine_kind.h"
#include "gpt/model/parameter_table.h"

namespace gpt {

struct Problem {
  std::int64_t layers = 0, heads = 0, width = 0, block = 0, vocab = 0;
  bool bias = false, dropout = false;
  bool plain_attention = false;   // (B, H, T, T) scores in memory, always: requested, or no kernel
  std::int64_t batch = 0;         // sequences in a batch
  std::int64_t accumulation = 1;  // batches in a step
  std::int64_t type_bytes = 4;    // of the compute type
  bool cuda = false;
  bool evaluates_elsewhere = false;  // eval_device is another device
  EngineKind engine = EngineKind::kEager;
  bool graphs = false;  // a step is recorded, and keeps its working memory
  std::int64_t threads = 1;
  // What each of a GPU's libraries of matmuls holds; smaller on cards before Hopper.
  std::int64_t workspace = std::int64_t{32} << 20;
  // Bytes that a GPU's offloading may take of the host's memory.
  std::int64_t host_memory = std::numeric_limits<std::int64_t>::max();

  // Training writes the scores out for dropout as well.
  bool writes_out_scores() const { return plain_attention || dropout; }
  std::int64_t effective() const { return batch * accumulation; }
  // Parameters: all, those of matrices in blocks (cast to the compute type), and one block's.
  std::int64_t parameters() const;
  std::int64_t block_parameters() const;
  std::int64_t block_matrices() const;  // weights of the four matmuls of one block

  // What can be offloaded: the weights only where matmuls are computed from copies of them.
  Offload most_offload() const {
    return engine == EngineKind::kTensor && type_bytes != 4 ? Offload::kWeights : Offload::kMoments;
  }
};

// vocab_size and dtype must be settled ("bfloat16", not "auto"); `cuda`: the device is a GPU.
Problem problem_of(const TrainConfig& config, bool cuda, std::int64_t threads);

// One way to do it.
struct Choice {
  Recompute recompute = Recompute::kNone;
  Offload offload = Offload::kOff;
  std::int64_t micro_batch = 1;  // sequences in one forward and backward
  std::int64_t head_chunk = 1;   // tokens whose logits exist at once
  std::int64_t eval_batch = 1;
  std::int64_t pieces(const Problem& problem) const {
    return (problem.effective() + micro_batch - 1) / micro_batch;
  }
  bool operator==(const Choice&) const = default;
};

// What the user fixed by hand; of offloading and recomputation, as far as the problem can go.
struct Fixed {
  std::optional<Recompute> recompute = {};
  std::optional<Offload> offload = {};
  std::optional<std::int64_t> micro_batch = {}, head_chunk = {}, eval_batch = {};
};
Fixed fixed_by(const TrainConfig& config);

}  // namespace gpt
