// A block that keeps its input alone for backward, and runs again there: activation checkpointing,
// as torch.utils.checkpoint does it.
#pragma once

#include "gpt/model/layers.h"

namespace gpt {

// block(x_BTC, layer, dropout, mask), in the AutocastGuard that is active. Its backward runs the
// block once more under autograd, so that the gradients are plain autograd's, bit for bit; those of
// the block's weights are added to their .grad() then. `block` must live until that is done.
at::Tensor recomputed_block(const Block& block, const at::Tensor& x_BTC, std::int64_t layer,
                            const DropoutState& dropout, const at::Tensor& mask_B1TT);

}  // namespace gpt
