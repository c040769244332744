// nanoGPT's estimate_loss: the mean loss of random batches of both splits.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "gpt/model/engine.h"
#include "gpt/train/step_batches.h"

namespace gpt {

// Nats per target. With a mask train and val are of the targets that count, the others apart.
struct SplitLosses {
  double train = 0, val = 0;
  std::optional<double> masked_train = {}, masked_val = {};
};

// eval_iters batches of train, then of val, drawn through `batches` and dealt to the processes of
// `group`; logits in chunks, no gradients, no dropout. `progress(done, total)` is called after each
// batch; a false from it ends the evaluation without a result. What is left of a batch is skipped
// once `stopped` is true in this process; `progress` must then say false.
std::optional<SplitLosses> estimate_loss(
    Engine& engine, StepBatches& batches, ProcessGroup& group, std::int64_t eval_iters,
    const std::function<bool(std::int64_t, std::int64_t)>& progress,
    const std::function<bool()>& stopped = {});

}  // namespace gpt
