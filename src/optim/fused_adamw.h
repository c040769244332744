// The arithmetic of an update, for whole tensors and for pieces of them.
#pragma once

#include <vector>

#include <ATen/ATen.h>

#include "gpt/kernels/cpu/parameter_update.h"

namespace gpt {

inline constexpr double kAdamWEpsilon = 1e-8;  // torch.optim.AdamW's default, which nanoGPT keeps

struct AdamWRates {
  double learning_rate, beta1, beta2, weight_decay;
};

// Lists of equal length; `step` counts the update that is about to be made.
struct AdamWTensors {
  std::vector<at::Tensor> parameter, gradient, exp_avg, exp_avg_sq, step;
};

// With every gradient times `factor`, if that is defined; the gradients are used up. Where `skip`
// is 1, nothing is written.
inline void fused_adamw(const AdamWTensors& tensors, const AdamWRates& rates,
                        const at::Tensor& factor, const at::Tensor& skip) {
  if (skip.is_cpu()) {
    std::vector<UpdatedParameter> all;
    for (std::size_t i = 0; i < tensors.parameter.size(); ++i)
      all.push_back({tensors.parameter[i], tensors.gradient[i], tensors.exp_avg[i],
                     tensors.exp_avg_sq[i], tensors.step[i], rates.weight_decay});
    return cpu_adamw(all, {rates.learning_rate, rates.beta1, rates.beta2, kAdamWEpsilon}, factor,
                     skip);
  }
  if (factor.defined()) at::_foreach_mul_(tensors.gradient, factor);
  at::_fused_adamw_(tensors.parameter, tensors.gradient, tensors.exp_avg, tensors.exp_avg_sq,
                    /*max_exp_avg_sqs=*/{}, tensors.step, rates.learning_rate, rates.beta1,
                    rates.beta2, rates.weight_decay, kAdamWEpsilon, /*amsgrad=*/false,
                    /*maximize=*/false, /*grad_scale=*/{}, skip);
}

}  // namespace gpt
