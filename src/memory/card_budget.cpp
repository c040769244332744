#include "gpt/memory/card_budget.h"

#include <algorithm>

#include "gpt/memory/step_table.h"

namespace gpt {

namespace {

// What the context takes of what the plan counts for it, out of which `free` no longer is. In a
// container the driver does not tell: then it is what is sure, a context without modules.
std::uint64_t context_held(const CardMemory& card, const std::optional<DeviceReading>& reading) {
  constexpr std::uint64_t kEmptyContext = std::uint64_t{250} << 20;
  std::uint64_t held = kEmptyContext;
  if (reading && reading->own) held = *reading->own - std::min(*reading->own, card.cached);
  return std::min(held, static_cast<std::uint64_t>(kCudaContext));
}

}  // namespace

CardBudget card_budget(const CardMemory& card, const std::optional<DeviceReading>& reading) {
  CardBudget budget;
  budget.limit = std::min(card.free + card.cached + context_held(card, reading), card.total);
  budget.source = "free now";
  if (!reading || !reading->drives_display) return budget;
  // Windows that open while the run computes need memory, too, and where there is none the desktop
  // stalls or falls.
  constexpr std::uint64_t kLeast = std::uint64_t{256} << 20;
  constexpr std::uint64_t kPercent = 3;
  budget.kept = std::max(kLeast, card.total / 100 * kPercent);
  budget.limit -= std::min(budget.limit, budget.kept);
  budget.source = "free now, less what the display may need";
  return budget;
}

}  // namespace gpt
