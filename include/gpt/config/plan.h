// The memory plan: values of the keys by which a run is fitted to the memory that is there. Every
// plan gives the same numbers: it moves work and memory about, never the batch.
#pragma once

#include <cstdint>

#include "gpt/config/offload.h"
#include "gpt/config/recompute.h"

namespace gpt {

struct Plan {
  Recompute recompute = Recompute::kNone;
  Offload offload = Offload::kOff;
  std::int64_t micro_batch = 1;  // sequences in one forward and backward
  std::int64_t head_chunk = 1;   // tokens whose logits exist at once
  std::int64_t eval_batch = 1;
  bool operator==(const Plan&) const = default;
};

}  // namespace gpt
