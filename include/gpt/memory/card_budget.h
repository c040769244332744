// How much of a card a run may plan with, where memory_limit does not say.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "gpt/device/watch.h"

namespace gpt {

// Bytes. `free`: as CUDA says, when this process has its context on the card; `cached`: what the
// caching allocator holds.
struct CardMemory {
  std::uint64_t total = 0, free = 0, cached = 0;
};

struct CardBudget {
  std::uint64_t limit = 0;  // for the plan, which counts CUDA's context
  std::uint64_t kept = 0;   // for the display that the card drives
  std::string source;
};
CardBudget card_budget(const CardMemory& card, const std::optional<DeviceReading>& reading);

}  // namespace gpt
