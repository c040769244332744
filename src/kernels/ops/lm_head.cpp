#include "gpt/kernels/ops/lm_head.h"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "gpt/kernels/ops/cross_entropy.h"
#include "gpt/kernels/ops/matmul.h"

namespace gpt {

namespace {

struct HeadPass {
  at::Tensor token_N, dx_NC, dweight_VC;
};

HeadPass head_pass(const at::Tensor& x_NC, const at::Tensor& weight_VC, const at::Tensor& target_N,
                   const LmHeadOptions& options, bool gradient) {
  const at::ScalarType type = options.compute_type.value_or(x_NC.scalar_type());
  const at::ScalarType real = x_NC.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  HeadPass pass;
  pass.token_N = at::empty({x_NC.size(0)}, x_NC.options().dtype(real));
  if (gradient) {
    pass.dx_NC = at::empty_like(x_NC, at::MemoryFormat::Contiguous);
    pass.dweight_VC = at::zeros_like(weight_VC);
  }
  lm_head_pass({.x_NC = x_NC,
                .weight_VC = weight_VC.to(type),
                .target_N = target_N,
                .token_N = pass.token_N,
                .dx_NC = pass.dx_NC,
                .dweight_VC = pass.dweight_VC,
                .chunk = options.chunk,
                .scale = options.scale * options.gradient_scale,
                .ignore_index = options.ignore_index});
  return pass;
}

struct LmHead : torch::autograd::Function<LmHead> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* ctx,
                                                const at::Tensor& x_NC, const at::Tensor& weight_VC,
                                                const at::Tensor& target_N,
                                                const LmHeadOptions& options) {
    HeadPass pass = head_pass(x_NC, weight_VC, target_N, options, /*gradient=*/true);
    ctx->save_for_backward({pass.dx_NC, pass.dweight_VC});
    ctx->mark_non_differentiable({pass.token_N});
    return {pass.token_N.sum() * options.scale, pass.token_N};
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 torch::autograd::variable_list grads) {
    const auto saved = ctx->get_saved_variables();
    at::Tensor dx_NC = saved[0], dweight_VC = saved[1];
    // The loss is the root of every training step, so its own gradient is 1; a CPU can afford to
    // look and spare the pass over V x C.
    const at::Tensor& up = grads[0];
    if (up.is_cuda() || up.item<double>() != 1.0) {
      dx_NC = dx_NC * up.to(dx_NC.scalar_type());
      dweight_VC = dweight_VC * up.to(dweight_VC.scalar_type());
    }
    const at::Tensor none;
    return {dx_NC, dweight_VC, none, none};
  }
};

}  // namespace

void lm_head_pass(const LmHeadPass& pass) {
  const std::int64_t tokens = pass.x_NC.size(0);
  const at::Tensor& weight_VC = pass.weight_VC;
  const std::int64_t chunk = limited_head_chunk(pass.chunk, tokens, weight_VC.size(0));
  const std::int64_t rows = weight_VC.size(0), stride = std::max(pass.stride, rows);
  const bool gradient = pass.dx_NC.defined();
  const at::Tensor buffer = at::empty({chunk, stride}, weight_VC.options());
  for (std::int64_t first = 0; first < tokens; first += chunk) {
    const std::int64_t count = std::min(chunk, tokens - first);
    const at::Tensor x_nC = pass.x_NC.narrow(0, first, count).to(weight_VC.scalar_type());
    const at::Tensor padded_nV = buffer.narrow(0, 0, count);
    const at::Tensor logits_nV = padded_nV.narrow(1, 0, rows);
    linear_out(x_nC, weight_VC, logits_nV);
    cross_entropy_({.logits_NV = padded_nV,
                    .target_N = pass.target_N.narrow(0, first, count),
                    .loss_N = pass.token_N.narrow(0, first, count),
                    .scale = pass.scale,
                    .ignore_index = pass.ignore_index,
                    .gradient = gradient,
                    .vocab = pass.vocab > 0 ? pass.vocab : rows});
    if (!gradient) continue;
    pass.dx_NC.narrow(0, first, count).copy_(linear_input_gradient(logits_nV, weight_VC));
    add_weight_gradient_(padded_nV.narrow(1, 0, pass.dweight_VC.size(0)), x_nC, pass.dweight_VC);
  }
}

LmHeadLoss lm_head_loss(const at::Tensor& x_NC, const at::Tensor& weight_VC,
                        const at::Tensor& target_N, const LmHeadOptions& options) {
  TORCH_CHECK(x_NC.dim() == 2 && weight_VC.dim() == 2 && x_NC.size(1) == weight_VC.size(1) &&
                  target_N.dim() == 1 && target_N.size(0) == x_NC.size(0),
              "lm_head_loss: x (N,C), weight (V,C) and target (N) do not fit together");
  if (!at::GradMode::is_enabled() || !(x_NC.requires_grad() || weight_VC.requires_grad())) {
    const HeadPass pass = head_pass(x_NC, weight_VC, target_N, options, /*gradient=*/false);
    return {pass.token_N.sum() * options.scale, pass.token_N};
  }
  const auto outputs = LmHead::apply(x_NC, weight_VC, target_N, options);
  return {outputs[0], outputs[1]};
}

std::int64_t padded_vocabulary(std::int64_t vocab_size) {
  constexpr std::int64_t kColumns = 64;
  return (vocab_size + kColumns - 1) / kColumns * kColumns;
}

std::int64_t limited_head_chunk(std::int64_t chunk, std::int64_t tokens, std::int64_t vocab_size) {
  constexpr std::int64_t kElements = (std::int64_t{1} << 31) - 1, kUnit = 64;
  const std::int64_t wanted = chunk > 0 ? std::min(chunk, tokens) : tokens;
  const std::int64_t fitting = std::max<std::int64_t>(1, kElements / padded_vocabulary(vocab_size));
  if (wanted <= fitting) return wanted;
  const std::int64_t most = fitting < kUnit ? fitting : fitting / kUnit * kUnit;
  const std::int64_t pieces = (tokens + most - 1) / most;
  const std::int64_t even = (tokens + pieces - 1) / pieces;
  return std::min(most, (even + kUnit - 1) / kUnit * kUnit);
}

std::int64_t default_head_chunk(std::int64_t vocab_size) {
  constexpr std::int64_t kBytes = std::int64_t{64} << 20;
  return std::max<std::int64_t>(64, kBytes / (4 * vocab_size));
}

TokenScores score_tokens(const at::Tensor& x_NC, const at::Tensor& weight_VC,
                         const at::Tensor& target_N, std::int64_t chunk) {
  const at::NoGradGuard no_grad;
  const std::int64_t tokens = x_NC.size(0);
  if (chunk <= 0) chunk = default_head_chunk(weight_VC.size(0));
  chunk = limited_head_chunk(chunk, std::max<std::int64_t>(tokens, 1), weight_VC.size(0));
  const at::ScalarType real = x_NC.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  std::vector<at::Tensor> loss, likeliest;
  for (std::int64_t first = 0; first < tokens; first += chunk) {
    const std::int64_t count = std::min(chunk, tokens - first);
    const at::Tensor logits_NV =
        at::linear(x_NC.narrow(0, first, count).to(weight_VC.scalar_type()), weight_VC).to(real);
    const at::Tensor target_N1 = target_N.narrow(0, first, count).unsqueeze(1);
    const at::Tensor of_target_N1 = logits_NV.gather(1, target_N1);
    loss.push_back((logits_NV.logsumexp(1) - of_target_N1.squeeze(1)).to(at::kCPU, at::kDouble));
    likeliest.push_back((logits_NV.amax(1) <= of_target_N1.squeeze(1)).to(at::kCPU));
  }
  if (loss.empty()) return {at::empty({0}, at::kDouble), at::empty({0}, at::kBool)};
  return {at::cat(loss), at::cat(likeliest)};
}

}  // namespace gpt
