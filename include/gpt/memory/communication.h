// How long the processes of a run take to exchange gradients and weights, by a simple model: bytes
// over a ring (Patarasuk and Yuan 2009) against a link's rate.
#pragma once

#include <string>

#include "gpt/memory/planner.h"

namespace gpt {

struct Link {
  std::string name;
  double bytes = 0;    // B/s, each way, that collectives reach
  double seconds = 0;  // of one message
};

// One of the links that people have ("pcie4", "nvlink", "10gbe"), or a rate ("12.5GB/s").
// InputError lists what is known.
Link find_link(const std::string& text);

// Of one step: gradients to all that need them, with a spread optimizer the weights back.
double exchange_seconds(const Workload& workload, const Link& link);

// How much of that the last backward pass hides: where the gradients of blocks are summed while
// those below are computed (TrainStep::sums_early), which half of a micro-batch's time is taken to
// be; those of the embeddings come last, and nothing hides them.
double hidden_seconds(const Workload& workload, const Estimate& estimate, const Link& link);

// What several processes add to a plan's text: bytes and seconds of the exchange beside those of
// the computation, and tokens a second of all.
std::string exchange_text(const Workload& workload, const Estimate& estimate, const Link& link);

}  // namespace gpt
