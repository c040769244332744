#include "gpt/kernels/lm_head.h"

#include <algorithm>

#include <torch/csrc/autograd/custom_function.h>

#include "gpt/kernels/cross_entropy.h"

namespace gpt {

namespace {

struct HeadPass {
  at::Tensor token_N, dx_NC, dweight_VC;
};

// dweight += dlogits^T x. The products of low-precision numbers are summed in the weight's type, so
// that the number of chunks shows in nothing but the order of summation.
void accumulate_dweight(at::Tensor& dweight_VC, const at::Tensor& dlogits_NV,
                        const at::Tensor& x_NC) {
  const at::Tensor dlogits_VN = dlogits_NV.t();
  if (dlogits_NV.scalar_type() == dweight_VC.scalar_type()) {
    dweight_VC.addmm_(dlogits_VN, x_NC);
  } else if (dlogits_NV.is_cuda()) {
    dweight_VC.add_(at::mm(dlogits_VN, x_NC, dweight_VC.scalar_type()));
  } else {
    dweight_VC.addmm_(dlogits_VN.to(dweight_VC.scalar_type()), x_NC.to(dweight_VC.scalar_type()));
  }
}

HeadPass head_pass(const at::Tensor& x_NC, const at::Tensor& weight_VC, const at::Tensor& target_N,
                   const LmHeadOptions& options, bool gradient) {
  const std::int64_t tokens = x_NC.size(0);
  const std::int64_t chunk = options.chunk > 0 ? std::min(options.chunk, tokens) : tokens;
  const at::ScalarType type = options.compute_type.value_or(x_NC.scalar_type());
  const at::ScalarType real = x_NC.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor weight = weight_VC.to(type);

  HeadPass pass;
  pass.token_N = at::empty({tokens}, x_NC.options().dtype(real));
  if (gradient) {
    pass.dx_NC = at::empty_like(x_NC, at::MemoryFormat::Contiguous);
    pass.dweight_VC = at::zeros_like(weight_VC);
  }
  at::Tensor buffer = at::empty({chunk, weight.size(0)}, x_NC.options().dtype(type));
  for (std::int64_t first = 0; first < tokens; first += chunk) {
    const std::int64_t count = std::min(chunk, tokens - first);
    const at::Tensor x = x_NC.narrow(0, first, count).to(type);
    at::Tensor logits = buffer.narrow(0, 0, count);
    at::mm_out(logits, x, weight.t());
    cross_entropy_({.logits_NV = logits,
                    .target_N = target_N.narrow(0, first, count),
                    .loss_N = pass.token_N.narrow(0, first, count),
                    .scale = options.scale * options.gradient_scale,
                    .ignore_index = options.ignore_index,
                    .gradient = gradient});
    if (!gradient) continue;
    pass.dx_NC.narrow(0, first, count).copy_(at::mm(logits, weight));
    accumulate_dweight(pass.dweight_VC, logits, x);
  }
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

std::int64_t default_head_chunk(std::int64_t vocab_size) {
  constexpr std::int64_t kBytes = std::int64_t{64} << 20;
  return std::max<std::int64_t>(64, kBytes / (4 * vocab_size));
}

}  // namespace gpt
