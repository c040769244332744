// What happens to gradients between backward and the update.
#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

namespace gpt {

// Euclidean norm over all gradients together; float32 scalar on their device.
at::Tensor gradient_norm(const std::vector<at::Tensor>& gradients);

// What torch.nn.utils.clip_grad_norm_ multiplies gradients with: min(1, max_norm / (norm + 1e-6)).
at::Tensor clip_factor(const at::Tensor& norm, double max_norm);

// 1 if any of the scalars given is infinite or NaN, else 0; float32 scalar.
at::Tensor any_non_finite(const std::vector<at::Tensor>& scalars);

}  // namespace gpt
