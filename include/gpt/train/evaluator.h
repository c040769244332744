// nanoGPT's estimate_loss: the mean loss of random batches of both splits.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "gpt/config/train_config.h"
#include "gpt/model/gpt.h"
#include "gpt/train/batches.h"
#include "gpt/train/dataset.h"

namespace gpt {

struct SplitLosses {
  double train = 0, val = 0;  // nats per token
};

// Where and in which type a model computes.
struct Compute {
  c10::Device device;
  c10::ScalarType type;
};

// The head's options for this type; its products run in the autocast type.
LmHeadOptions head_options(double scale, double gradient_scale, c10::ScalarType type);

// eval_iters batches of train, then of val, drawn through `batches`; logits in chunks, no
// gradients, no dropout. `progress(done, total)` is called after each batch; a false from it ends
// the evaluation without a result.
std::optional<SplitLosses> estimate_loss(
    const Gpt& model, const Dataset& dataset, Batches& batches, std::int64_t eval_iters,
    const Compute& compute, const std::function<bool(std::int64_t, std::int64_t)>& progress);

}  // namespace gpt
