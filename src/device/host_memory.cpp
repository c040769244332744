#include "gpt/device/host_memory.h"

#include <algorithm>

#include "gpt/base/strings.h"

namespace gpt {

HostMemory host_memory(const std::vector<MemoryBound>& bounds) {
  // A machine that gives its last page to tensors swaps or kills, and the heap has gaps.
  const auto four_fifths = [](std::uint64_t bytes) { return bytes / 10 * 8; };
  HostMemory memory{.plan = four_fifths(bounds.front().available),
                    .most = std::nullopt,
                    .source = "four fifths of what is available"};
  for (std::size_t i = 1; i < bounds.size(); ++i) {
    const MemoryBound& bound = bounds[i];
    const std::uint64_t rest = bound.available - std::min(bound.available, kHostOverhead);
    memory.most = std::min(memory.most.value_or(rest), rest);
    if (four_fifths(rest) >= memory.plan) continue;
    memory.plan = four_fifths(rest);
    memory.source = concat("four fifths of what is left, but for ", human_bytes(kHostOverhead),
                           ", of ", bound.name);
  }
  return memory;
}

}  // namespace gpt
