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

std::vector<Optimizer::GroupFacts> groups_of(const std::vector<OptimizedTensor>& parameters) {
  Optimizer::GroupFacts muon{"Muon"}, decayed{"decayed"}, others{"non-decayed"};
  for (const OptimizedTensor& parameter : parameters) {
    Optimizer::GroupFacts& group = parameter.matrices > 0        ? muon
                                   : parameter.tensor.dim() >= 2 ? decayed
                                                                 : others;
    ++group.tensors;
    group.parameters += parameter.tensor.numel();
  }
  std::vector<Optimizer::GroupFacts> groups{decayed, others};
  if (muon.tensors > 0) groups.insert(groups.begin(), muon);
  return groups;
}

std::vector<Optimizer::StateShape> state_shapes_of(const OptimizedTensor& parameter) {
  const std::vector<std::int64_t> like = parameter.tensor.sizes().vec();
  if (parameter.matrices > 0) return {{"momentum_buffer", like}, {"step", {}}};
  return {{"exp_avg", like}, {"exp_avg_sq", like}, {"step", {}}};
}

}  // namespace gpt
