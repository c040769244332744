#include "gpt/kernels/ops/token_scores.h"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "gpt/kernels/ops/lm_head.h"

namespace gpt {

TokenScores score_tokens(const at::Tensor& x_NC, const at::Tensor& weight_VC,
                         const at::Tensor& target_N, std::int64_t chunk) {
  const at::NoGradGuard no_grad;
  const std::int64_t tokens = x_NC.size(0);
  if (chunk <= 0) chunk = default_head_chunk(weight_VC.size(0));
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
