#include "gpt/kernels/ops/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>

#include <ATen/ATen.h>

#include "gpt/kernels/ops/causal_softmax.h"

#include "tiled_attention.h"

namespace gpt {

namespace {

double scale_of(const at::Tensor& q_BHTD) {
  return 1.0 / std::sqrt(static_cast<double>(q_BHTD.size(3)));
}

// The weights, dropout included; `gradient`, theirs, becomes that of the scores.
at::Tensor plain_weights(const AttentionInput& in, const at::Tensor& gradient_BHTT) {
  const at::Tensor scores_BHTT = at::matmul(in.q_BHTD, in.k_BHTD.transpose(-2, -1));
  causal_softmax_({.scores_BHTT = scores_BHTT,
                   .gradient_BHTT = gradient_BHTT,
                   .scale = scale_of(in.q_BHTD),
                   .dropout = {.p = in.p, .sequence_B = in.sequence_B, .place = in.place},
                   .start_BT = in.start_BT});
  return scores_BHTT;
}

AttentionInput some_of(const AttentionInput& in, std::int64_t first, std::int64_t count) {
  AttentionInput some = in;
  for (at::Tensor* tensor :
       {&some.q_BHTD, &some.k_BHTD, &some.v_BHTD, &some.sequence_B, &some.start_BT})
    if (tensor->defined()) *tensor = tensor->narrow(0, first, count);
  return some;
}

// Calls work(first, count) for group after group of sequences; a single group has no need of it.
template <class Work>
bool by_groups(const AttentionInput& in, const Work& work) {
  const at::Tensor& q = in.q_BHTD;
  const std::int64_t sequences = q.size(0);
  const std::int64_t group = plain_attention_group(q.size(1), q.size(2), q.element_size());
  if (group >= sequences) return false;
  for (std::int64_t first = 0; first < sequences; first += group)
    work(first, std::min(group, sequences - first));
  return true;
}

at::Tensor plain_forward(const AttentionInput& in) {
  at::Tensor y_BHTD;
  const auto group = [&](std::int64_t first, std::int64_t count) {
    if (!y_BHTD.defined()) y_BHTD = at::empty(in.v_BHTD.sizes(), in.v_BHTD.options());
    y_BHTD.narrow(0, first, count).copy_(plain_forward(some_of(in, first, count)));
  };
  if (by_groups(in, group)) return y_BHTD;
  return at::matmul(plain_weights(in, /*gradient_BHTT=*/{}), in.v_BHTD);
}

// In one buffer, as join_attention_gradient would lay them.
AttentionGradient side_by_side_like(const at::Tensor& q_BHTD) {
  const at::IntArrayRef size = q_BHTD.sizes();
  const at::Tensor all_BTKHD = at::empty({size[0], size[2], 3, size[1], size[3]}, q_BHTD.options());
  const auto part = [&](std::int64_t i) { return all_BTKHD.select(2, i).transpose(1, 2); };
  return {part(0), part(1), part(2)};
}

// With scores S, weights W and Y = W V: dW = dY V^T, dV = W^T dY; dS is causal_softmax_'s.
AttentionGradient plain_backward(const AttentionInput& in, const at::Tensor& dy_BHTD) {
  AttentionGradient all;
  const auto group = [&](std::int64_t first, std::int64_t count) {
    if (!all.dq_BHTD.defined()) all = side_by_side_like(in.q_BHTD);
    const AttentionGradient some =
        plain_backward(some_of(in, first, count), dy_BHTD.narrow(0, first, count));
    all.dq_BHTD.narrow(0, first, count).copy_(some.dq_BHTD);
    all.dk_BHTD.narrow(0, first, count).copy_(some.dk_BHTD);
    all.dv_BHTD.narrow(0, first, count).copy_(some.dv_BHTD);
  };
  if (by_groups(in, group)) return all;
  const at::Tensor d_BHTT = at::matmul(dy_BHTD, in.v_BHTD.transpose(-2, -1));
  const at::Tensor weights_BHTT = plain_weights(in, d_BHTT);
  AttentionGradient gradient;
  gradient.dv_BHTD = at::matmul(weights_BHTT.transpose(-2, -1), dy_BHTD);
  gradient.dq_BHTD = at::matmul(d_BHTT, in.k_BHTD);
  gradient.dk_BHTD = at::matmul(d_BHTT.transpose(-2, -1), in.q_BHTD);
  return gradient;
}

AttentionGradient gradient_of(std::tuple<at::Tensor, at::Tensor, at::Tensor> all) {
  return {std::get<0>(all), std::get<1>(all), std::get<2>(all)};
}

AttentionOutput flash_forward(const AttentionInput& in) {
  auto [y, logsumexp, cum_q, cum_k, max_q, max_k, seed, offset, debug] =
      at::_scaled_dot_product_flash_attention(in.q_BHTD, in.k_BHTD, in.v_BHTD, /*dropout_p=*/0.0,
                                              /*is_causal=*/true, /*return_debug_mask=*/false);
  return {y, {logsumexp, cum_q, cum_k, seed, offset}, max_q.expect_int()};
}

AttentionOutput cudnn_forward(const AttentionInput& in) {
  auto [y, logsumexp, cum_q, cum_k, max_q, max_k, seed, offset, debug] =
      at::_scaled_dot_product_cudnn_attention(in.q_BHTD, in.k_BHTD, in.v_BHTD, /*attn_bias=*/{},
                                              /*compute_log_sumexp=*/true, /*dropout_p=*/0.0,
                                              /*is_causal=*/true, /*return_debug_mask=*/false);
  return {y, {logsumexp, cum_q, cum_k, seed, offset}, max_q.expect_int()};
}

AttentionOutput efficient_forward(const AttentionInput& in) {
  auto [y, logsumexp, seed, offset] = at::_scaled_dot_product_efficient_attention(
      in.q_BHTD, in.k_BHTD, in.v_BHTD, /*attn_bias=*/{}, /*compute_log_sumexp=*/true,
      /*dropout_p=*/0.0, /*is_causal=*/true);
  return {y, {logsumexp, seed, offset}, 0};
}

// The kernel that the operator of scaled_dot_product_attention calls, which alone can be told to
// lay its results side by side. More sequences than a grid has blocks are that operator's to
// divide.
AttentionGradient efficient_backward(const AttentionInput& in, const AttentionOutput& out,
                                     const at::Tensor& dy_BHTD) {
  constexpr std::int64_t kMostSequences = 65535, kCausalFromTopLeft = 1;
  const auto& saved = out.saved;
  if (in.q_BHTD.size(0) > kMostSequences) {
    auto all = at::_scaled_dot_product_efficient_attention_backward(
        dy_BHTD, in.q_BHTD, in.k_BHTD, in.v_BHTD, /*attn_bias=*/{}, out.y_BHTD, saved[0], saved[1],
        saved[2], /*dropout_p=*/0.0, {true, true, true, false}, /*is_causal=*/true);
    return {std::get<0>(all), std::get<1>(all), std::get<2>(all)};
  }
  const auto by_token = [](const at::Tensor& x_BHTD) { return x_BHTD.transpose(1, 2); };
  const std::int64_t tokens = in.q_BHTD.size(2);
  const auto all = at::_efficient_attention_backward(
      by_token(dy_BHTD), by_token(in.q_BHTD), by_token(in.k_BHTD), by_token(in.v_BHTD), /*bias=*/{},
      by_token(out.y_BHTD), /*cu_seqlens_q=*/{}, /*cu_seqlens_k=*/{}, tokens, tokens, saved[0],
      /*dropout_p=*/0.0, saved[1], saved[2], kCausalFromTopLeft, /*bias_requires_grad=*/false,
      /*scale=*/{}, /*num_splits_key=*/{}, /*window_size=*/{}, /*shared_storage_dqdkdv=*/true);
  return {by_token(std::get<0>(all)), by_token(std::get<1>(all)), by_token(std::get<2>(all))};
}

}  // namespace

std::int64_t plain_attention_group(std::int64_t heads, std::int64_t tokens,
                                   std::int64_t type_bytes) {
  constexpr std::int64_t kBytes = std::int64_t{16} << 20;
  return std::max<std::int64_t>(1, kBytes / (heads * tokens * tokens * type_bytes));
}

at::Tensor document_starts(const at::Tensor& x_BT, std::int64_t end_token) {
  const std::int64_t tokens = x_BT.size(1);
  const at::Tensor after_T = at::arange(1, tokens + 1, x_BT.options());
  const at::Tensor after_BT = at::where(x_BT == end_token, after_T, 0);
  const at::Tensor start_BT = at::zeros_like(x_BT);
  if (tokens > 1)
    start_BT.narrow(1, 1, tokens - 1)
        .copy_(std::get<0>(after_BT.narrow(1, 0, tokens - 1).cummax(/*dim=*/1)));
  return start_BT;
}

at::Tensor document_mask(const at::Tensor& x_BT, std::int64_t end_token, at::ScalarType type) {
  const at::Tensor start_BT = document_starts(x_BT, end_token);
  const at::Tensor column_T = at::arange(x_BT.size(1), x_BT.options());
  const at::Tensor hidden_BTT =
      (column_T < start_BT.unsqueeze(2)).logical_or_(column_T > column_T.unsqueeze(1));
  return at::zeros(hidden_BTT.sizes(), x_BT.options().dtype(type))
      .masked_fill_(hidden_BTT, -std::numeric_limits<double>::infinity())
      .unsqueeze(1);
}

at::Tensor causal_attention(const at::Tensor& q_BHTD, const at::Tensor& k_BHTD,
                            const at::Tensor& v_BHTD, const at::Tensor& mask_B1TT) {
  return at::scaled_dot_product_attention(
      q_BHTD, k_BHTD, v_BHTD, mask_B1TT.defined() ? std::optional(mask_B1TT) : std::nullopt,
      /*dropout_p=*/0.0, /*is_causal=*/!mask_B1TT.defined());
}

at::Tensor plain_causal_attention(const at::Tensor& q_BHTD, const at::Tensor& k_BHTD,
                                  const at::Tensor& v_BHTD, double dropout,
                                  const at::Tensor& sequence_B, const DropoutPlace& place,
                                  const at::Tensor& mask_B1TT) {
  const std::int64_t tokens = q_BHTD.size(2);
  const double scale = 1.0 / std::sqrt(static_cast<double>(q_BHTD.size(3)));
  at::Tensor weights_BHTT = at::matmul(q_BHTD, k_BHTD.transpose(-2, -1)) * scale;
  if (mask_B1TT.defined()) {
    weights_BHTT = weights_BHTT + mask_B1TT;
  } else {
    const at::Tensor later_TT =
        at::ones({tokens, tokens}, q_BHTD.options().dtype(at::kBool)).triu(/*diagonal=*/1);
    weights_BHTT = weights_BHTT.masked_fill(later_TT, -std::numeric_limits<double>::infinity());
  }
  weights_BHTT = weights_BHTT.softmax(-1);
  weights_BHTT = keyed_dropout(weights_BHTT, dropout, sequence_B, place);
  return at::matmul(weights_BHTT, v_BHTD);
}

AttentionOutput attention_forward(AttentionKernel kernel, const AttentionInput& in) {
  switch (kernel) {
    case AttentionKernel::kCpuFlash: {
      auto [y, logsumexp] = at::_scaled_dot_product_flash_attention_for_cpu(
          in.q_BHTD, in.k_BHTD, in.v_BHTD, /*dropout_p=*/0.0, /*is_causal=*/true);
      return {y, {logsumexp}, 0};
    }
    case AttentionKernel::kFlash:
      return flash_forward(in);
    case AttentionKernel::kCudnn:
      return cudnn_forward(in);
    case AttentionKernel::kEfficient:
      return efficient_forward(in);
    case AttentionKernel::kTiled:
      return tiled_attention_forward(in);
    case AttentionKernel::kPlain:
      break;
  }
  return {plain_forward(in), {}, 0};
}

AttentionGradient attention_backward(AttentionKernel kernel, const AttentionInput& in,
                                     const AttentionOutput& out, const at::Tensor& dy_BHTD) {
  const at::Tensor &q = in.q_BHTD, &k = in.k_BHTD, &v = in.v_BHTD;
  const auto& saved = out.saved;
  switch (kernel) {
    case AttentionKernel::kCpuFlash:
      return gradient_of(at::_scaled_dot_product_flash_attention_for_cpu_backward(
          dy_BHTD, q, k, v, out.y_BHTD, saved[0], /*dropout_p=*/0.0, /*is_causal=*/true));
    case AttentionKernel::kFlash:
      return gradient_of(at::_scaled_dot_product_flash_attention_backward(
          dy_BHTD, q, k, v, out.y_BHTD, saved[0], saved[1], saved[2], out.longest, out.longest,
          /*dropout_p=*/0.0, /*is_causal=*/true, saved[3], saved[4]));
    case AttentionKernel::kCudnn:
      return gradient_of(at::_scaled_dot_product_cudnn_attention_backward(
          dy_BHTD, q, k, v, out.y_BHTD, saved[0], saved[3], saved[4], /*attn_bias=*/{}, saved[1],
          saved[2], out.longest, out.longest, /*dropout_p=*/0.0, /*is_causal=*/true));
    case AttentionKernel::kEfficient:
      return efficient_backward(in, out, dy_BHTD);
    case AttentionKernel::kTiled:
      return tiled_attention_backward(in, out, dy_BHTD);
    case AttentionKernel::kPlain:
      break;
  }
  return plain_backward(in, dy_BHTD);
}

}  // namespace gpt
