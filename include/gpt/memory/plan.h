// The fastest way to take a step and an evaluation within a budget. Every plan gives the same
// numbers: it moves work and memory about, never the batch.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "gpt/memory/breakdown.h"
#include "gpt/memory/problem.h"
#include "gpt/memory/time_model.h"

namespace gpt {

struct Plan {
  Choice choice;
  Phase train, eval;      // the peaks
  std::int64_t host = 0;  // bytes that the host holds for the device
  double seconds = 0;     // a step, by the time model

  // Bytes that must be there: context and margin included.
  std::int64_t needs() const;
  // What the device's allocator will have counted at its peak in training.
  std::int64_t predicted() const { return train.live.tensors(); }
};

struct PlanChoice {
  std::optional<Plan> best;       // nothing: no plan fits
  std::optional<Plan> runner_up;  // the fastest that differs in more than the head's chunk
  std::optional<Plan> with_more;  // the next faster one, given the memory that it needs
  std::optional<Plan> with_less;  // the fastest one that needs less
  Plan smallest;                  // needs the least of all
  Plan fastest;                   // if memory were no matter
};

// Plans for `problem` within `limit` bytes of its device, respecting what is fixed.
PlanChoice choose_plan(const Problem& problem, const Fixed& fixed, const DeviceRates& rates,
                       std::int64_t limit);

// The plan of a given choice.
Plan plan_of(const Problem& problem, const Choice& choice, const DeviceRates& rates);

}  // namespace gpt
