// One transformer block, forward and backward written out: x + attention(ln_1(x)), then the MLP.
// Device-neutral: every step is a function of kernels/, which has an ATen reference.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "gpt/config/recompute.h"
#include "gpt/kernels/ops/attention.h"
#include "gpt/kernels/ops/layer_norm.h"
#include "gpt/model/dropout_state.h"

#include "tensor_weights.h"

namespace gpt {

// What all blocks of a pass share.
struct TensorPass {
  std::int64_t B, T, C, heads;
  bool tanh;            // GELU
  at::ScalarType type;  // of the matmuls
  AttentionKernel attention;
  DropoutState dropout;
  at::Tensor sequence_B;     // dropout's, on the device
  at::Tensor step_1 = {};    // of a graph that is being recorded; see DropoutPlace
  at::Tensor start_BT = {};  // where each token's document begins; undefined: nobody asks

  RowDropout row_dropout(std::int64_t layer, int site) const;
};

// What a block keeps for its backward; tensors that the level drops are undefined until they are
// made again. Shapes are (B*T, width); C, 3C or 4C wide.
struct TensorBlockState {
  at::Tensor x_NC;  // float32, the block's input
  NormOutput ln_1;  // without its sum, which is x
  at::Tensor qkv_NK;
  AttentionOutput attention;
  at::Tensor middle_NC;  // float32, between attention and MLP
  NormOutput ln_2;
  at::Tensor fc_NK, gelu_NK;
};

// The residual stream, and a branch that the next LayerNorm adds to it (undefined: none).
struct ResidualStream {
  at::Tensor x_NC, branch_NC;
};

class TensorBlock {
 public:
  TensorBlock(const TensorPass& pass, const TensorBlockWeights& weights, std::int64_t layer)
      : pass_(pass), weights_(weights), layer_(layer) {}

  // The branch is the MLP output of a block; `state` keeps what `level` keeps. Moved in, the stream
  // is gone when its sum is there.
  ResidualStream forward(ResidualStream in, Recompute level, TensorBlockState& state) const;

  // forward without dropout, for which no backward comes: each tensor goes after its last use.
  ResidualStream evaluate(ResidualStream in) const;

  // dx: the residual stream's gradient after the block, turned into that before it. dbranch: that
  // of the MLP's output, dropout included. Returns the gradient of the MLP output of the block
  // before (undefined for layer 0). Frees `state` as it goes.
  at::Tensor backward(TensorBlockState& state, const at::Tensor& dx_NC,
                      at::Tensor dbranch_NC) const;

 private:
  NormOutput norm(const at::Tensor& x_NC, const at::Tensor& branch_NC, const RowDropout& dropout,
                  const TensorNorm& weights) const;
  AttentionInput attention_input(const at::Tensor& qkv_NK) const;
  void complete_attention(TensorBlockState& state) const;
  void complete_mlp(TensorBlockState& state) const;
  at::Tensor mlp_backward(TensorBlockState& state, at::Tensor dbranch_NC) const;
  at::Tensor attention_backward(TensorBlockState& state, at::Tensor dbranch_NC) const;
  at::Tensor qkv_gradient(const TensorBlockState& state, const at::Tensor& dy_NC) const;
  at::Tensor norm_backward(const NormOutput& norm, const at::Tensor& x_NC, const at::Tensor& dy_NC,
                           const at::Tensor& dx_NC, const TensorNorm& weights, int site,
                           std::int64_t layer) const;

  const TensorPass& pass_;
  const TensorBlockWeights& weights_;
  std::int64_t layer_;
};

// y = x W^T + b from the copies, and the gradients of it: returns dx, adds that of W and, unless
// whoever made dy has added it, that of b.
enum class BiasGradient { kHere, kAdded };
at::Tensor tensor_linear(const at::Tensor& x_NI, const TensorLinear& weights);
at::Tensor tensor_linear_backward(const at::Tensor& x_NI, const at::Tensor& dy_NO,
                                  const TensorLinear& weights,
                                  BiasGradient bias = BiasGradient::kHere);

}  // namespace gpt
