// Bytes by what they are for, and the moments of a step at which they are live together.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gpt {

enum class Use {
  kWeights,      // float32
  kCopies,       // of the weights, in the compute type
  kGradients,    // float32
  kOptimizer,    // AdamW's two moments, or their staging when they live on the host
  kActivations,  // kept for backward
  kHead,         // the LM head: a chunk of logits, its gradients
  kWorkspace,    // made and freed inside one operation, libraries' scratch
  kBatch,        // tokens and their losses
  kGraphs,       // what recorded work holds while it does not run
  kContext,      // CUDA's own, outside the caching allocator
  kMargin,       // what a caching allocator loses to rounding and fragments
};
inline constexpr std::size_t kUses = 11;

// "weights", "weight copies", ...
const char* use_name(Use use);

struct Footprint {
  std::array<std::int64_t, kUses> bytes{};

  std::int64_t& operator[](Use use) { return bytes[static_cast<std::size_t>(use)]; }
  std::int64_t operator[](Use use) const { return bytes[static_cast<std::size_t>(use)]; }
  std::int64_t total() const;
  // Without kGraphs, kContext and kMargin: what an allocator counts as tensors.
  std::int64_t tensors() const;
};

// A moment at which memory may peak.
struct Phase {
  std::string name;  // "backward of the last block"
  Footprint live;
};
using Phases = std::vector<Phase>;

// The phase with most tensors. At least one phase is needed.
const Phase& peak_of(const Phases& phases);

}  // namespace gpt
