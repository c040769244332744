// One transformer block, forward and backward written out: x + attention(ln_1(x)), then the MLP.
// Device-neutral: every step is a function of kernels/, which has an ATen reference.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "gpt/config/recompute.h"
#include "gpt/kernels/ops/attention.h"
#include "gpt/kernels/ops/layer_norm.h"
#include "gpt/model/dropout_state.h"

#include "gpu_weights.h"

namespace gpt {

// What all blocks of a pass share.
struct GpuPass {
  std::int64_t B, T, C, heads;
  bool tanh;            // GELU
  at::ScalarType type;  // of the matmuls
  AttentionKernel attention;
  DropoutState dropout;
  at::Tensor sequence_B;  // dropout's, on the device

  RowDropout row_dropout(std::int64_t layer, int site) const;
};

// What a block keeps for its backward; tensors that the level drops are undefined until they are
// made again. Shapes are (B*T, width); C, 3C or 4C wide.
struct GpuBlockState {
  at::Tensor x_NC;  // float32, the block's input
  NormOutput ln_1;  // without its sum, which is x
  at::Tensor qkv_NK;
  AttentionOutput attention;
  at::Tensor middle_NC;  // float32, between attention and MLP
  NormOutput ln_2;
  at::Tensor fc_NK, gelu_NK;
};

// The residual stream, and a branch that the next LayerNorm adds to it (undefined: none).
struct GpuStream {
  at::Tensor x_NC, branch_NC;
};

class GpuBlock {
 public:
  GpuBlock(const GpuPass& pass, const GpuBlockWeights& weights, std::int64_t layer)
      : pass_(pass), weights_(weights), layer_(layer) {}

  // The branch is the MLP output of a block; `state` keeps what `level` keeps. Moved in, the stream
  // is gone when its sum is there.
  GpuStream forward(GpuStream in, Recompute level, GpuBlockState& state) const;

  // forward without dropout, for which no backward comes: each tensor goes after its last use.
  GpuStream evaluate(GpuStream in) const;

  // dx: the residual stream's gradient after the block, turned into that before it. dbranch: that
  // of the MLP's output, dropout included. Returns the gradient of the MLP output of the block
  // before (undefined for layer 0). Frees `state` as it goes.
  at::Tensor backward(GpuBlockState& state, const at::Tensor& dx_NC, at::Tensor dbranch_NC) const;

 private:
  NormOutput norm(const at::Tensor& x_NC, const at::Tensor& branch_NC, const RowDropout& dropout,
                  const GpuNorm& weights) const;
  AttentionInput attention_input(const at::Tensor& qkv_NK) const;
  void complete_attention(GpuBlockState& state) const;
  void complete_mlp(GpuBlockState& state) const;
  at::Tensor mlp_backward(GpuBlockState& state, at::Tensor dbranch_NC) const;
  at::Tensor attention_backward(GpuBlockState& state, at::Tensor dbranch_NC) const;
  at::Tensor qkv_gradient(const GpuBlockState& state, const at::Tensor& dy_NC) const;
  at::Tensor norm_backward(const NormOutput& norm, const at::Tensor& x_NC, const at::Tensor& dy_NC,
                           const at::Tensor& dx_NC, const GpuNorm& weights, int site,
                           std::int64_t layer) const;

  const GpuPass& pass_;
  const GpuBlockWeights& weights_;
  std::int64_t layer_;
};

// y = x W^T + b from the copies, and the gradients of it: returns dx, adds those of W and b.
at::Tensor gpu_linear(const at::Tensor& x_NI, const GpuLinear& weights);
at::Tensor gpu_linear_backward(const at::Tensor& x_NI, const at::Tensor& dy_NO,
                               const GpuLinear& weights);

}  // namespace gpt
