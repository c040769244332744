// The fastest way to take a step and an evaluation of a workload within constraints.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "gpt/config/plan.h"
#include "gpt/memory/breakdown.h"
#include "gpt/memory/time_model.h"
#include "gpt/memory/workload.h"

namespace gpt {

// What the user fixed by hand, of offloading and recomputation as far as the workload can go; and
// the bytes that a device gives.
struct Constraints {
  std::optional<Recompute> recompute = {};
  std::optional<Offload> offload = {};
  std::optional<std::int64_t> micro_batch = {}, head_chunk = {}, eval_batch = {};
  std::int64_t limit = std::numeric_limits<std::int64_t>::max();
};
// What the config fixes; without a limit.
Constraints constraints_of(const TrainConfig& config);

// What a plan takes.
struct Estimate {
  Plan plan;
  Phase train, eval;             // the peaks
  std::optional<Phase> monitor;  // that of tasks, samples and statistics, if there are any
  std::int64_t host = 0;         // bytes that the host holds for the device
  double seconds = 0;            // a step, by the time model

  // Bytes that must be there: context and margin included.
  std::int64_t needs() const;
};
Estimate estimate_of(const Workload& workload, const Plan& plan, const DeviceRates& rates);

// Texts of `block_size` tokens that a decoder reads at a time where memory is no matter.
inline std::int64_t default_decoder_batch(std::int64_t block_size) {
  return std::clamp<std::int64_t>(8192 / block_size, 1, 64);
}

struct RankedPlans {
  std::optional<Estimate> best;       // nothing: no plan fits
  std::optional<Estimate> runner_up;  // the fastest that differs in more than the head's chunk
  std::optional<Estimate> with_more;  // the next faster one, given the memory that it needs
  std::optional<Estimate> with_less;  // the fastest one that needs less
  Estimate smallest;                  // needs the least of all
  Estimate fastest;                   // if memory were no matter
};

class Planner {
 public:
  Planner(const Workload& workload, const Constraints& constraints, const DeviceRates& rates)
      : workload_(workload), constraints_(constraints), rates_(rates) {}

  const Workload& workload() const { return workload_; }
  const Constraints& constraints() const { return constraints_; }
  const DeviceRates& rates() const { return rates_; }

  RankedPlans ranked() const;

  // How many texts of block_size tokens a decoder may read at a time next to a run by `plan`: about
  // 8192 tokens of them, fewer where they do not fit, at least one.
  std::int64_t decoder_batch(const Plan& plan) const;

  // After an allocation failed although the plan said it would not: the fastest plan that needs
  // less than `failed` by the shortfall (bytes), and by a sixteenth, an eighth, a quarter, then
  // half of it as failures in a row add up: the table is exact, so a failure means that somebody
  // else took memory, and nobody knows how much more they will take. The moments and evaluations
  // stay as they are, and so does what is fixed, as long as that leaves a choice. Nothing if no
  // plan needs so little.
  std::optional<Plan> next_smaller(const Plan& failed, std::int64_t shortfall,
                                   int failures = 1) const;

 private:
  std::vector<Estimate> all() const;

  Workload workload_;
  Constraints constraints_;
  DeviceRates rates_;
};

}  // namespace gpt
