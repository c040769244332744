// How a run fits into memory. None of these keys changes a number; "auto" leaves the choice to the
// plan (gpt/memory/planner.h). micro_batch_size and eval_batch_size are in DataConfig, and
// head_chunk is in ModelConfig.
#pragma once

#include <string>

#include "gpt/config/check.h"
#include "gpt/config/field.h"

namespace gpt {

struct MemoryConfig {
  CONFIG(MemoryConfig);
  FIELD(std::string, memory_limit,
        "Most memory the run may take of its device. auto: what is free when it starts; of a card "
        "that drives a display at least 256 MiB or 3 % are left, and on the CPU the limits of "
        "containers and batch systems count.",
        memory_size()) = "auto";
  FIELD(std::string, recompute,
        "What backward computes again instead of keeping, each with those before it: GELU's "
        "output, the LayerNorms', the MLP's, the whole block. compile=False has none and block; a "
        "level between them becomes block.",
        one_of("auto", "none", "gelu", "norm", "mlp", "block")) = "auto";
  FIELD(
      std::string, optimizer_offload,
      "Keep the optimizer's moments in the host's memory; all: the float32 weights of the blocks' "
      "products as well, where a GPU computes with 16-bit copies of them.",
      one_of("auto", "off", "on", "all")) = "auto";
  FIELD(
      std::int64_t, zero,
      "With several processes: 1 spreads the optimizer's state over them (ZeRO, stage 1); 0: each "
      "has all of it.",
      between(std::int64_t{0}, std::int64_t{1})) = 0;
  FIELD(std::string, eval_device, "Where evaluations compute. auto: device.",
        device_name()) = "auto";
  FIELD(std::string, empty_cache,
        "When unused cached memory goes back to the GPU's driver: never, after set-up, or also "
        "around each evaluation. auto: setup.",
        one_of("auto", "off", "setup", "eval")) = "auto";
  FIELD(std::string, allocator,
        "How memory of a GPU is cached: native, expandable_segments, or LibTorch's own words such "
        "as max_split_size_mb:128. auto: expandable_segments, native in WSL2; nothing is changed "
        "where "
        "PYTORCH_ALLOC_CONF is set.",
        allocator_setting()) = "auto";
  END_CONFIG;
};

}  // namespace gpt
