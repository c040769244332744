#include "tensor_block.h"

#include <utility>

#include <ATen/ATen.h>

#include "gpt/kernels/ops/column_sum.h"
#include "gpt/kernels/ops/gelu.h"
#include "gpt/kernels/ops/matmul.h"
#include "gpt/model/layers.h"

namespace gpt {

namespace {

// (B, H, T, D) -> (B*T, C); no copy where the kernel laid the heads of a token side by side.
at::Tensor by_token(const at::Tensor& y_BHTD) {
  return y_BHTD.transpose(1, 2).flatten(2, 3).flatten(0, 1).contiguous();
}

TensorBlockState state_of_input(const at::Tensor& x_NC) {
  TensorBlockState state;
  state.x_NC = x_NC;
  return state;
}

}  // namespace

RowDropout TensorPass::row_dropout(std::int64_t layer, int site) const {
  if (!dropout.on || dropout.p == 0) return {};
  return {.p = dropout.p,
          .sequence_B = sequence_B,
          .tokens = T,
          .place = {.seed = dropout.seed,
                    .step = dropout.step,
                    .layer = layer,
                    .site = site,
                    .step_1 = step_1}};
}

at::Tensor tensor_linear(const at::Tensor& x_NI, const TensorLinear& weights) {
  return linear(x_NI, weights.weight.copy, weights.bias.copy);
}

at::Tensor tensor_linear_backward(const at::Tensor& x_NI, const at::Tensor& dy_NO,
                                  const TensorLinear& weights, BiasGradient bias) {
  add_weight_gradient_(dy_NO, x_NI, weights.weight.gradient);
  if (bias == BiasGradient::kHere && weights.bias.master.defined())
    add_column_sums_(dy_NO, weights.bias.gradient);
  return linear_input_gradient(dy_NO, weights.weight.copy);
}

NormOutput TensorBlock::norm(const at::Tensor& x_NC, const at::Tensor& branch_NC,
                             const RowDropout& dropout, const TensorNorm& weights) const {
  return add_layer_norm({.x_NC = x_NC,
                         .branch_NC = branch_NC,
                         .dropout = dropout,
                         .weight_C = weights.weight.master,
                         .bias_C = weights.bias.master,
                         .type = pass_.type});
}

AttentionInput TensorBlock::attention_input(const at::Tensor& qkv_NK) const {
  const std::int64_t D = pass_.C / pass_.heads;
  const at::Tensor qkv = qkv_NK.view({pass_.B, pass_.T, 3, pass_.heads, D});
  const auto by_head = [&](std::int64_t part) { return qkv.select(2, part).transpose(1, 2); };
  AttentionInput in{.q_BHTD = by_head(0), .k_BHTD = by_head(1), .v_BHTD = by_head(2)};
  const RowDropout dropout = pass_.row_dropout(layer_, kAttentionWeights);
  in.p = dropout.p;
  in.sequence_B = dropout.sequence_B;
  in.place = dropout.place;
  in.start_BT = pass_.start_BT;
  return in;
}

void TensorBlock::complete_attention(TensorBlockState& state) const {
  if (!state.ln_1.y_NC.defined()) state.ln_1 = norm(state.x_NC, {}, {}, weights_.ln_1);
  if (!state.qkv_NK.defined()) state.qkv_NK = tensor_linear(state.ln_1.y_NC, weights_.c_attn);
  if (!state.attention.y_BHTD.defined())
    state.attention = attention_forward(pass_.attention, attention_input(state.qkv_NK));
}

void TensorBlock::complete_mlp(TensorBlockState& state) const {
  if (!state.middle_NC.defined()) {
    complete_attention(state);
    const at::Tensor branch_NC =
        tensor_linear(by_token(state.attention.y_BHTD), weights_.c_attn_proj);
    state.ln_2 =
        norm(state.x_NC, branch_NC, pass_.row_dropout(layer_, kAttentionOutput), weights_.ln_2);
    state.middle_NC = state.ln_2.sum_NC;
  } else if (!state.ln_2.y_NC.defined()) {
    state.ln_2 = norm(state.middle_NC, {}, {}, weights_.ln_2);
  }
  state.ln_2.sum_NC.reset();  // middle, which goes before the rest
  if (!state.fc_NK.defined()) state.fc_NK = tensor_linear(state.ln_2.y_NC, weights_.c_fc);
  if (!state.gelu_NK.defined()) state.gelu_NK = gelu(state.fc_NK, pass_.tanh);
}

ResidualStream TensorBlock::forward(ResidualStream in, Recompute level,
                                    TensorBlockState& state) const {
  state.ln_1 =
      norm(in.x_NC, in.branch_NC, pass_.row_dropout(layer_ - 1, kMlpOutput), weights_.ln_1);
  in = {};
  state.x_NC = state.ln_1.sum_NC;
  complete_mlp(state);
  const ResidualStream out{state.middle_NC, tensor_linear(state.gelu_NK, weights_.c_mlp_proj)};
  state.ln_1.sum_NC.reset();
  if (level >= Recompute::kGelu) state.gelu_NK = at::Tensor();
  if (level >= Recompute::kNorm) state.ln_1.y_NC = state.ln_2.y_NC = at::Tensor();
  if (level >= Recompute::kMlp) state.fc_NK = at::Tensor();
  if (level >= Recompute::kBlock) state = state_of_input(state.x_NC);
  return out;
}

ResidualStream TensorBlock::evaluate(ResidualStream in) const {
  NormOutput ln = norm(in.x_NC, in.branch_NC, {}, weights_.ln_1);
  in = {.x_NC = ln.sum_NC, .branch_NC = {}};
  at::Tensor qkv_NK = tensor_linear(ln.y_NC, weights_.c_attn);
  ln = {};
  at::Tensor y_NC = by_token(attention_forward(pass_.attention, attention_input(qkv_NK)).y_BHTD);
  qkv_NK.reset();
  in.branch_NC = tensor_linear(y_NC, weights_.c_attn_proj);
  y_NC.reset();
  ln = norm(in.x_NC, in.branch_NC, {}, weights_.ln_2);
  in = {};
  at::Tensor fc_NK = tensor_linear(ln.y_NC, weights_.c_fc);
  ln.y_NC.reset();
  const at::Tensor gelu_NK = gelu(fc_NK, pass_.tanh);
  fc_NK.reset();
  return {ln.sum_NC, tensor_linear(gelu_NK, weights_.c_mlp_proj)};
}

at::Tensor TensorBlock::norm_backward(const NormOutput& norm, const at::Tensor& x_NC,
                                      const at::Tensor& dy_NC, const at::Tensor& dx_NC,
                                      const TensorNorm& weights, int site,
                                      std::int64_t layer) const {
  return layer_norm_backward_({.dy_NC = dy_NC,
                               .x_NC = x_NC,
                               .mean_N = norm.mean_N,
                               .rstd_N = norm.rstd_N,
                               .weight_C = weights.weight.master,
                               .dx_NC = dx_NC,
                               .dweight_C = weights.weight.gradient,
                               .dbias_C = weights.bias.gradient,
                               .accumulate = true,
                               .branch = layer >= 0,
                               .dropout = pass_.row_dropout(layer, site)});
}

at::Tensor TensorBlock::mlp_backward(TensorBlockState& state, at::Tensor dbranch_NC) const {
  complete_mlp(state);
  const at::Tensor dfc_NK = tensor_linear_backward(state.gelu_NK, dbranch_NC, weights_.c_mlp_proj);
  dbranch_NC.reset();
  state.gelu_NK = at::Tensor();
  if (weights_.c_fc.bias.master.defined())
    gelu_bias_backward_(state.fc_NK, dfc_NK, pass_.tanh, weights_.c_fc.bias.gradient);
  else
    gelu_backward_(state.fc_NK, dfc_NK, pass_.tanh);
  state.fc_NK = at::Tensor();
  const at::Tensor dy_NC =
      tensor_linear_backward(state.ln_2.y_NC, dfc_NK, weights_.c_fc, BiasGradient::kAdded);
  state.ln_2.y_NC = at::Tensor();
  return dy_NC;
}

// (B*T, 3C), and the gradient of c_attn's bias, its sums.
at::Tensor TensorBlock::qkv_gradient(const TensorBlockState& state, const at::Tensor& dy_NC) const {
  const std::int64_t D = pass_.C / pass_.heads;
  const at::Tensor dy_BHTD = dy_NC.view({pass_.B, pass_.T, pass_.heads, D}).transpose(1, 2);
  const AttentionGradient gradient = gpt::attention_backward(
      pass_.attention, attention_input(state.qkv_NK), state.attention, dy_BHTD);
  return join_attention_gradient(gradient, weights_.c_attn.bias.gradient);
}

at::Tensor TensorBlock::attention_backward(TensorBlockState& state, at::Tensor dbranch_NC) const {
  complete_attention(state);
  at::Tensor dy_NC =
      tensor_linear_backward(by_token(state.attention.y_BHTD), dbranch_NC, weights_.c_attn_proj);
  dbranch_NC.reset();
  const at::Tensor dqkv_NK = qkv_gradient(state, dy_NC);
  dy_NC.reset();
  state.attention = {};
  state.qkv_NK.reset();
  return tensor_linear_backward(state.ln_1.y_NC, dqkv_NK, weights_.c_attn, BiasGradient::kAdded);
}

at::Tensor TensorBlock::backward(TensorBlockState& state, const at::Tensor& dx_NC,
                                 at::Tensor dbranch_NC) const {
  at::Tensor dy_NC = mlp_backward(state, std::move(dbranch_NC));
  dbranch_NC = norm_backward(state.ln_2, state.middle_NC, dy_NC, dx_NC, weights_.ln_2,
                             kAttentionOutput, layer_);
  state.middle_NC.reset();
  dy_NC.reset();
  dy_NC = attention_backward(state, std::move(dbranch_NC));
  dbranch_NC =
      norm_backward(state.ln_1, state.x_NC, dy_NC, dx_NC, weights_.ln_1, kMlpOutput, layer_ - 1);
  state = {};
  return dbranch_NC;
}

}  // namespace gpt
