// The breakdown of memory by what it is for, and the moments of a step at which it is live
// together.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gpt {

enum class MemoryKind {
  kWeights,      // float32
  kCopies,       // of the weights, in the compute type
  kGradients,    // float32
  kOptimizer,    // moments, or their staging when they live on the host; Muon's iteration
  kActivations,  // kept for backward
  kHead,         // the LM head: a chunk of logits, its gradients
  kWorkspace,    // made and freed inside one operation, libraries' scratch
  kBatch,        // tokens and their losses
  kCheckpoint,   // the copy that async_checkpoints writes from, where the host is the device
  kGraphs,       // what recorded work holds while it does not run
  kContext,      // CUDA's own, outside the caching allocator
  kMargin,       // what a caching allocator loses to rounding and fragments
};
inline constexpr std::size_t kMemoryKinds = 12;

// "weights", "weight copies", ...
const char* memory_kind_name(MemoryKind kind);

struct MemoryBreakdown {
  std::array<std::int64_t, kMemoryKinds> bytes{};

  std::int64_t& operator[](MemoryKind kind) { return bytes[static_cast<std::size_t>(kind)]; }
  std::int64_t operator[](MemoryKind kind) const { return bytes[static_cast<std::size_t>(kind)]; }
  std::int64_t total() const;
  // Without kGraphs, kContext and kMargin: what an allocator counts as tensors.
  std::int64_t tensors() const;
};

// A moment at which memory may peak.
struct Phase {
  std::string name;  // "backward of the last block"
  MemoryBreakdown live;
};
using Phases = std::vector<Phase>;

// The phase with most tensors. At least one phase is needed.
const Phase& peak_of(const Phases& phases);

}  // namespace gpt
