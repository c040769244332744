// A block as one autograd node, so that what is kept for backward is a choice. The operators, their
// order and so the bits are those of Block under autograd and autocast.
#pragma once

#include "gpt/config/recompute.h"
#include "gpt/model/layers.h"

namespace gpt {

// block(x_BTC, layer, dropout) in float32 or float64, with the matmuls in the type of the
// AutocastGuard that is active, or x's own. Gradients of the block's weights are added to their
// .grad() when the node's backward runs; `block` must live until then. kNone keeps all.
at::Tensor block_node(const Block& block, const at::Tensor& x_BTC, std::int64_t layer,
                      const DropoutState& dropout, Recompute level);

}  // namespace gpt
