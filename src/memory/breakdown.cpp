#include "gpt/memory/breakdown.h"

#include <algorithm>
#include <numeric>

namespace gpt {

const char* memory_kind_name(MemoryKind kind) {
  constexpr const char* kNames[kMemoryKinds] = {
      "weights",           "weight copies", "gradients",    "optimizer state",
      "saved activations", "LM head",       "workspace",    "batch",
      "checkpoint copy",   "graphs",        "CUDA context", "fragmentation margin"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::int64_t MemoryBreakdown::total() const {
  return std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0});
}

std::int64_t MemoryBreakdown::tensors() const {
  return total() - (*this)[MemoryKind::kGraphs] - (*this)[MemoryKind::kContext] -
         (*this)[MemoryKind::kMargin];
}

const Phase& peak_of(const Phases& phases) {
  return *std::max_element(phases.begin(), phases.end(), [](const Phase& a, const Phase& b) {
    return a.live.tensors() < b.live.tensors();
  });
}

}  // namespace gpt
