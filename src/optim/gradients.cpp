#include "gpt/optim/gradients.h"

#include "gpt/kernels/cpu/parameter_update.h"

namespace gpt {

at::Tensor gradient_norm(const std::vector<at::Tensor>& gradients) {
  if (gradients.front().is_cpu()) return cpu_gradient_norm(gradients);
  return at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients, 2)), 2);
}

at::Tensor clip_factor(const at::Tensor& norm, double max_norm) {
  return (max_norm / (norm + 1e-6)).clamp_max(1.0);
}

at::Tensor any_non_finite(const std::vector<at::Tensor>& scalars) {
  return at::isfinite(at::stack(scalars)).all().logical_not().to(at::kFloat);
}

}  // namespace gpt
