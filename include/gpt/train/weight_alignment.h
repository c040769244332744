// The weights of the processes of a run, equal bit for bit.
#pragma once

#include <cstdint>

#include "gpt/model/gpt.h"
#include "gpt/optim/optimizer.h"
#include "gpt/parallel/process_group.h"

namespace gpt {

// All processes have the same weights, bit for bit, unless their processors round differently; then
// they get those of the first process, with the optimizer's state that each has all of, and a
// warning. True if weights have changed. `step` is for the log, which every process writes the sum
// of its bits to.
bool align_weights(std::int64_t step, const Gpt& model, Optimizer& optimizer, ProcessGroup& group);

}  // namespace gpt
