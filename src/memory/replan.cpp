#include "gpt/memory/replan.h"

#include <algorithm>

#include "gpt/memory/step_table.h"

namespace gpt {

std::optional<Choice> replanned(const Problem& problem, const Fixed& fixed,
                                const DeviceRates& rates, const Choice& failed,
                                std::int64_t shortfall, int failures) {
  const std::int64_t needed = peak_of(step_phases(problem, failed)).live.total();
  const std::int64_t share = needed >> std::max(1, 5 - failures);
  const std::int64_t limit = needed - std::max(share, shortfall);
  Fixed kept = fixed, freed;
  kept.offload = freed.offload = failed.offload;
  kept.eval_batch = freed.eval_batch = 1;  // evaluations have a plan of their own
  for (const Fixed& of : {kept, freed})
    if (const PlanChoice chosen = choose_plan(problem, of, rates, limit); chosen.best)
      return chosen.best->choice;
  return std::nullopt;
}

}  // namespace gpt
