#include "gpt/optim/optimizer.h"

#include <ATen/core/grad_mode.h>

namespace gpt {

std::vector<Optimizer::StateShape> Optimizer::state_shapes(std::size_t parameter) const {
  std::vector<StateShape> shapes;
  for (const StateTensor& state : state_tensors(parameter))
    shapes.push_back({state.name, state.tensor.sizes().vec()});
  return shapes;
}

void Optimizer::restore(std::size_t parameter, const std::string& name, const at::Tensor& value) {
  const at::NoGradGuard no_grad;
  for (const StateTensor& state : state_tensors(parameter))
    if (state.name == name) state.tensor.copy_(value);
}

}  // namespace gpt
