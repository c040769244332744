#include "gpt/memory/footprint.h"

#include <algorithm>
#include <numeric>

namespace gpt {

const char* use_name(Use use) {
  constexpr const char* kNames[kUses] = {"weights",
                                         "weight copies",
                                         "gradients",
                                         "optimizer state",
                                         "saved activations",
                                         "LM head",
                                         "workspace",
                                         "batch",
                                         "graphs",
                                         "CUDA context",
                                         "fragmentation margin"};
  return kNames[static_cast<std::size_t>(use)];
}

std::int64_t Footprint::total() const {
  return std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0});
}

std::int64_t Footprint::tensors() const {
  return total() - (*this)[Use::kGraphs] - (*this)[Use::kContext] - (*this)[Use::kMargin];
}

const Phase& peak_of(const Phases& phases) {
  return *std::max_element(phases.begin(), phases.end(), [](const Phase& a, const Phase& b) {
    return a.live.tensors() < b.live.tensors();
  });
}

}  // namespace gpt
